"""Croissant metadata: what stands in it; `mlcroissant` itself reads it in the interop suite."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from whitesquare.inventory.croissant import croissant
from whitesquare.inventory.facts import read_facts
from whitesquare.provenance.types import Content, Source
from whitesquare.signing.keys import load_trusted

from .evidence import ROOT, Place, make_place, sha256

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def written(place: Place, *, trust: bool = False) -> dict[str, Any]:
    facts = read_facts(place.folder, load_trusted(place.keys) if trust else None, NOW)
    return dict(json.loads(croissant(facts, place.folder)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("place"))


def test_the_manifest_is_a_file_with_its_sha256_and_no_other_digest(place: Place) -> None:
    record = written(place)
    manifest, images = record["distribution"]
    assert manifest["contentUrl"] == manifest["@id"] == "manifest.parquet"
    assert manifest["sha256"] == sha256(place.folder / "manifest.parquet")
    assert "md5" not in manifest
    assert images["includes"] == ["**/*.JPG", "**/*.png"]  # of the samples; notes.txt is none
    assert images["encodingFormat"] == ["image/jpeg", "image/png"]
    assert record["identifier"]["value"] == ROOT


def test_every_column_of_the_record_set_is_one_of_the_manifest(place: Place) -> None:
    import duckdb

    with duckdb.connect() as connection:
        query = "SELECT name FROM parquet_schema(?)"
        columns = {name for (name,) in connection.execute(query, [str(place.folder / "manifest.parquet")]).fetchall()}
    samples = next(one for one in written(place)["recordSet"] if one["@id"] == "samples")
    assert {one["source"]["extract"]["column"] for one in samples["field"]} <= columns
    assert {one["source"]["fileObject"]["@id"] for one in samples["field"]} == {"manifest.parquet"}


def test_sources_and_model_are_linked(place: Place) -> None:
    record = written(place)
    first, second = record["prov:wasDerivedFrom"]
    assert (first["@id"], first["sha256"]) == ("https://example.org/cats", "11" * 32)
    assert second["@id"] == "urn:whitesquare:source:our%20own%20camera%2C%20room%203"
    assert record["license"] == ["CC-BY-4.0"]
    assert record["prov:hadDerivation"]["@id"] == f"urn:sha256:{sha256(place.folder / 'model.safetensors')}"
    assert "came to: confirmed" in record["rai:dataLimitations"]


def test_what_was_verified_is_marked_and_so_is_what_was_not(place: Place) -> None:
    def said(record: dict[str, Any]) -> str:
        return next(str(one["value"]) for one in record["additionalProperty"] if one["name"].endswith(":signature"))

    assert said(written(place)) == "not verified"
    assert "creator" not in written(place)
    assert said(written(place, trust=True)) == "verified: alice (data)"
    assert written(place, trust=True)["creator"] == [{"@type": "Person", "name": "alice"}]


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    pixels = Content("pixels", (1, 28, 28), True)
    place = make_place(tmp_path, model=False, alarms=None, sources=(Source("mnist"),), expires=None, content=pixels)
    record = written(place)
    assert len(record["distribution"]) == 1
    absent = {"license", "prov:hadDerivation", "rai:dataCollection", "rai:dataReleaseMaintenancePlan"}
    assert not absent & set(record)
    assert record["rai:dataLimitations"].startswith("No scan")
