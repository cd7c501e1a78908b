"""The JSON Schemas in docs/schemas/ hold what is really written, and nothing else."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from whitesquare._base.schema import encode
from whitesquare.auditing.compose import compose, dossier_json, predicate_of
from whitesquare.auditing.evidence import gather
from whitesquare.deciding.types import Mark, ReviewHead
from whitesquare.gating.collect import collect
from whitesquare.gating.expiry import expiry
from whitesquare.gating.policy import example
from whitesquare.gating.rules import decide
from whitesquare.gating.vsa import vsa_predicate
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, REMOVED, REVIEW, SCAN
from whitesquare.records import Estimate
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.found import Acceptance
from whitesquare.signing.dsse import read_envelope
from whitesquare.study.drill_types import BaseLine, DrillFailure, DrillResult, DrillRow, DrillRun, Smallest

from .auditing.made import MADE, full_run
from .gate.world import FULL, NOW, World, policy, signer, trusted
from .report.scan_sample import hostile, nothing_found, nothing_ran, result, scores

ROOT = Path(__file__).parents[1]
SCHEMAS = {path.name.removesuffix(".schema.json"): path for path in (ROOT / "docs" / "schemas").iterdir()}
FIXTURES = Path(__file__).parent / "provenance" / "fixtures"
STATEMENTS = {"dataset": "dataset", "scan": "scan", "scan-clean": "scan", "training": "training", "measure": "measure"}


def signed(path: Path) -> Any:
    """The predicate of a statement, from its file."""
    return json.loads(read_envelope(path.read_bytes(), path.name).payload)["predicate"]


def committed() -> Iterator[tuple[str, str, Any]]:
    """Schema, name and content of what lies in the repository."""
    yield "measurement", "demo", json.loads((ROOT / "docs" / "results" / "demo.json").read_text(encoding="utf-8"))
    for path in sorted(FIXTURES.rglob("*.dsse.json")):
        yield f"{STATEMENTS[path.name.partition('.')[0]]}-predicate", str(path.relative_to(FIXTURES)), signed(path)
    for name, text in (("example", example()), ("full", FULL)):
        yield "policy", name, tomllib.loads(text)
    whole = re.sub(r"(?m)^# (?=[a-z_]+ = |\[\[waiver|\[review)", "", example())
    yield "policy", "every key", json.loads(json.dumps(tomllib.loads(whole), default=str))


def drill() -> DrillResult:
    share = Estimate("recall", 0.5, 0.4, 0.6, 100, "Wilson")
    run = DrillRun(1, 10, "none", ("a",), True, "confirmed", 9, 10, 0, 1, None, share, 1.5)
    row = DrillRow("stamp", 0.1, 10, 1, {"confirmed": 1}, 1, share, 0.9, share, 0.0, None, share, (run,))
    line = BaseLine("nothing found", (), 0, 3, "Nothing.")
    failures = (DrillFailure("blend", 0.1, 1, "too few"),)
    smallest = (Smallest("stamp", None, 1, "None."),)
    return DrillResult("x", "", 9, 0, "a", line, (row,), smallest, failures, ("n",), 0, 1.0, {"a": "b"}, {})


def written(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """The same of what is written now."""
    scans = {
        "found": result(),
        "none": nothing_found(),
        "idle": nothing_ran(),
        "hostile": replace(hostile(), seconds={}, runs=()),
    }
    for name, found in scans.items():
        yield "scan", name, json.loads(scan_json(found))
    yield "scan", "with all", json.loads(scan_json(result(fused_auroc=0.9), scores(20_000)))
    accepted = (Acceptance(0, "SS01", "confirmed", "ann", "2026-01-01", "why"),)
    yield "scan", "accepted", json.loads(scan_json(result(accepted=accepted), None, {(0, "SS01"): "ab" * 32}))
    yield "drill", "drill", json.loads(encode(drill()))
    run = World().write(folder / "run")
    yield "decisions", "head", asdict(ReviewHead(scan="a1" * 32, dataset="b2" * 32, source="photos"))
    for choice, label in (("keep", ""), ("relabel", "cat"), ("", "")):
        mark = Mark(id="1", content="c3" * 32, choice=choice, by="ann", at="2026-01-01T00:00:00Z", label=label)
        yield "decisions", choice, asdict(mark)
    for kind, name in (("scan", SCAN), ("review", REVIEW), ("training", PROVENANCE), ("measure", MEASURE)):
        yield f"{kind}-predicate", name, signed(run / name)
    drilled = full_run(folder / "drilled")
    yield "drill-predicate", "drill", signed(drilled / "drill" / "drill.sigstore.json")
    yield "removed-predicate", "removed", signed(drilled / REMOVED)
    for run_folder in (run, full_run(folder / "full")):
        told = compose(gather(run_folder, trusted(), NOW), MADE)
        yield "dossier", run_folder.name, json.loads(dossier_json(told))
        yield "dossier-predicate", run_folder.name, json.loads(json.dumps(asdict(predicate_of(told))))
    evidence = collect(run, trusted(), NOW)
    for asked in (policy(), policy(FULL.replace("min_clean_accuracy = ", "min_clean_accuracy = 1.0 #"))):
        verdict = decide(asked, evidence, NOW)
        ends = expiry(verdict, asked, evidence, signer("gate").keyid, NOW)
        yield "verdict-predicate", verdict.result, json.loads(json.dumps(vsa_predicate(verdict, asked, evidence, ends)))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, Any]]:
    return [*committed(), *written(tmp_path_factory.mktemp("world"))]


def checker(name: str) -> Any:
    schema = json.loads(SCHEMAS[name].read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_they_are_not_stale() -> None:
    subprocess.run([sys.executable, ROOT / "docs" / "make_schemas.py", "--check"], check=True)


def test_the_page_names_every_schema() -> None:
    page = (ROOT / "docs" / "schemas.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\(schemas/(.+?)\.schema\.json\)", page)) == sorted(SCHEMAS)


def test_what_is_written_fits_and_every_schema_is_tried(samples: list[tuple[str, str, Any]]) -> None:
    for name, which, content in samples:
        mistakes = [f"{error.json_path}: {error.message:.200}" for error in checker(name).iter_errors(content)]
        assert not mistakes, (name, which)
    assert {name for name, _, _ in samples} == set(SCHEMAS)
    assert {which for name, which, _ in samples if name == "verdict-predicate"} == {"PASSED", "FAILED"}


@pytest.mark.long
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_wrong_does_not_fit(name: str, samples: list[tuple[str, str, Any]]) -> None:
    found = next(content for kind, _, content in samples if kind == name)
    check = checker(name)
    assert check.is_valid(found)
    assert not check.is_valid(found | {"another": 1})
    assert not check.is_valid([found])
    for field in found:
        assert not check.is_valid(found | {field: [{"odd": 1}]}), field
    for field in check.schema.get("required", ()):
        assert not check.is_valid({key: item for key, item in found.items() if key != field}), field


def test_inner_objects_are_closed_too(samples: list[tuple[str, str, Any]]) -> None:
    for name in ("measurement", "drill"):
        whole = deepcopy(next(content for kind, _, content in samples if kind == name))
        check = checker(name)
        (whole["rows"][0]["asr"] if name == "measurement" else whole["rows"][0]["runs"][0])["odd"] = 1
        assert not check.is_valid(whole)
