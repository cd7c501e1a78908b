"""The bill of materials follows the published schema, and points at the digests that were signed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from referencing import Registry
from referencing.jsonschema import DRAFT7

from whitesquare.inventory.croissant import croissant
from whitesquare.inventory.cyclonedx import cyclonedx
from whitesquare.inventory.facts import Facts, read_facts
from whitesquare.provenance.evidence import ReferenceRecord
from whitesquare.provenance.types import Content, Identity, Source
from whitesquare.signing.keys import load_trusted

from .evidence import CONFIRMED, ROOT, SUSPICIOUS, Place, make_place, sha256

FOLDER = Path(__file__).parent / "schemas"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def schema(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


REGISTRY: Registry[Any] = Registry().with_resources(
    (f"http://cyclonedx.org/schema/{name}", DRAFT7.create_resource(schema(name)))
    for name in ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
)
VALIDATOR = jsonschema.Draft7Validator(
    schema("bom-1.6.SNAPSHOT.schema.json"),
    registry=REGISTRY,
    format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER,
)


def bill(facts: Facts) -> dict[str, Any]:
    """Write, validate, and check that every reference leads somewhere and every name is given once."""
    record: dict[str, Any] = json.loads(cyclonedx(facts, NOW))
    VALIDATOR.validate(record)
    known = [one["bom-ref"] for one in (*record["components"], *record.get("vulnerabilities", []))]
    assert len(set(known)) == len(known)
    pointed = [one["ref"] for one in record["dependencies"]]
    pointed += [ref for one in record["dependencies"] for ref in one.get("dependsOn", [])]
    pointed += [one["ref"] for found in record.get("vulnerabilities", []) for one in found["affects"]]
    assert set(pointed) <= set(known)
    return record


def component(record: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [one for one in record["components"] if one["type"] == kind]
    return dict(found)


def properties(record: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in record["properties"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("place"))


def test_model_and_data_by_the_digests_of_the_files(place: Place) -> None:
    record = bill(read_facts(place.folder, load_trusted(place.keys), NOW))
    model, data = component(record, "machine-learning-model"), component(record, "data")
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256(place.folder / "model.safetensors")}]
    assert data["hashes"] == [{"alg": "SHA-256", "content": sha256(place.folder / "manifest.parquet")}]
    assert properties(data)["whitesquare:merkle:root"] == ROOT
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert {"ref": model["bom-ref"], "dependsOn": [data["bom-ref"]]} in record["dependencies"]
    assert (data["name"], data["version"]) == ("animals", "7")
    assert [one["name"] for one in data["pedigree"]["ancestors"]] == [
        "https://example.org/cats", "our own camera, room 3",
    ]  # fmt: skip
    assert data["licenses"] == [{"license": {"name": "CC-BY-4.0"}}]
    assert properties(model)["whitesquare:recipe:model"] == "small-cnn"


def test_what_was_verified_is_marked_and_so_is_what_was_not(place: Place) -> None:
    checked = bill(read_facts(place.folder, load_trusted(place.keys), NOW))
    unchecked = bill(read_facts(place.folder, None, NOW))
    assert set(properties(checked["metadata"]).values()) == {
        "verified: alice (data)", "verified: scanner (scanner)", "verified: trainer (trainer)",
    }  # fmt: skip
    assert set(properties(unchecked["metadata"]).values()) == {"not verified"}
    assert properties(component(unchecked, "data"))["whitesquare:signature"] == "not verified"
    governed = component(checked, "data")["data"][0]["governance"]
    assert governed == {"custodians": [{"contact": {"name": "alice"}}]}
    assert "governance" not in component(unchecked, "data")["data"][0]


def test_only_confirmed_findings_are_vulnerabilities(place: Place) -> None:
    record = bill(read_facts(place.folder, None, NOW))
    data, model = component(record, "data"), component(record, "machine-learning-model")
    told = [
        (one["id"], one["source"]["name"], one["analysis"]["state"], one["affects"])
        for one in record["vulnerabilities"]
    ]
    assert told == [
        ("AML.T0020", "MITRE ATLAS", "exploitable", [{"ref": data["bom-ref"]}]),
        ("AML.T0018.000", "MITRE ATLAS", "in_triage", [{"ref": model["bom-ref"]}]),
    ]
    assert CONFIRMED.fingerprint in record["vulnerabilities"][0]["bom-ref"]
    assert SUSPICIOUS.fingerprint not in json.dumps(record)


@pytest.mark.parametrize("alarms", [None, (), (SUSPICIOUS,)])
def test_nothing_confirmed_means_no_vulnerability(alarms: Any, tmp_path: Path) -> None:
    record = bill(read_facts(make_place(tmp_path, alarms=alarms).folder, None, NOW))
    assert "vulnerabilities" not in record
    said = properties(component(record, "data"))["whitesquare:scan"]
    assert said == ("none" if alarms is None else "suspicious" if alarms else "nothing found")


def test_the_same_alarm_twice_is_one_vulnerability(tmp_path: Path) -> None:
    facts = read_facts(make_place(tmp_path, alarms=(CONFIRMED, CONFIRMED), model=False).folder, None, NOW)
    assert len(bill(facts)["vulnerabilities"]) == 1


def test_a_folder_without_a_model_lists_the_data(tmp_path: Path) -> None:
    place = make_place(tmp_path, model=False, sources=(), expires=None, content=Content("pixels", (1, 28, 28), True))
    record = bill(read_facts(place.folder, None, NOW))
    assert [one["type"] for one in record["components"]] == ["data"]
    assert "pedigree" not in record["components"][0]


def test_the_same_files_have_the_same_serial_number(place: Place, tmp_path: Path) -> None:
    facts = read_facts(place.folder, None, NOW)
    assert bill(facts)["serialNumber"] == bill(read_facts(place.folder, load_trusted(place.keys), NOW))["serialNumber"]
    other = make_place(tmp_path, ids=("train/cat/1.png",))
    assert bill(read_facts(other.folder, None, NOW))["serialNumber"] != bill(facts)["serialNumber"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_gives_a_valid_bill(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = make_place(
        tmp_path_factory.mktemp("any"),
        dataset=Identity(text, 1, None),
        classes=(text, "dog"),
        sources=(Source(text, None, text or None, text or None),),
        model=False,
    )
    record = bill(read_facts(place.folder, None, NOW))
    assert component(record, "data")["name"] == text


def test_what_a_scan_rested_on_and_what_a_target_is_called_is_said(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    facts = read_facts(place.folder, None, NOW)
    assert facts.scan is not None
    assert facts.measured is not None
    reference = ReferenceRecord("11" * 32, "22" * 32, 50, "train", ())
    told = replace(
        facts,
        scan=replace(facts.scan, reference=reference, model="33" * 32, format=2),
        measured=replace(facts.measured, classes=("cat", "dog"), format=2),
    )
    record = bill(told)
    found = properties(component(record, "data"))
    assert found["whitesquare:scan:reference"] == "22" * 32
    assert found["whitesquare:scan:reference-size"] == "50"
    assert found["whitesquare:scan:model"] == "33" * 32
    assert "target 0 (cat)" in json.dumps(component(record, "machine-learning-model"))
    assert "whitesquare:scan:reference" not in properties(component(bill(facts), "data"))
    assert "50 other samples are clean" in croissant(told, place.folder)
    assert "other samples are clean" not in croissant(facts, place.folder)
