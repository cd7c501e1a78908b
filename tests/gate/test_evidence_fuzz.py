"""Whatever lies in a run folder, the gate answers with a verdict, and with PASSED only to what was signed."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitesquare.deciding.signed import DECISIONS_TYPE, review_predicate
from whitesquare.gating.rules import RULES
from whitesquare.gating.types import FAILED, Verdict
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, REVIEW, SCAN
from whitesquare.provenance.predicates import measure_predicate, scan_predicate, train_predicate
from whitesquare.provenance.types import ENVELOPE, MANIFEST
from whitesquare.report.gate.junit import gate_junit
from whitesquare.report.gate.markdown import gate_markdown
from whitesquare.report.gate.sarif import gate_sarif
from whitesquare.report.gate.text import gate_json, lines
from whitesquare.signing.dsse import encode_bundle, sign
from whitesquare.signing.statements import PROVENANCE_TYPE, TEST_RESULT_TYPE, Subject, encode_statement

from .world import MEASURED, REPORT, REVIEWED, SCAN_SAID, TRAINED, World, digest, new_folder, signer, verdict_of

PARTS = {SCAN: "scan", REVIEW: "review", PROVENANCE: "training", MEASURE: "measure"}
NAMES = (SCAN, REVIEW, PROVENANCE, MEASURE, ENVELOPE)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SIGNED = {
    SCAN: (TEST_RESULT_TYPE, MANIFEST, digest(World().rows), scan_predicate(SCAN_SAID), "carol"),
    REVIEW: (DECISIONS_TYPE, "scan.json", digest(REPORT), review_predicate(REVIEWED), "bob"),
    PROVENANCE: (PROVENANCE_TYPE, "m", digest(World().weights), train_predicate(TRAINED, MANIFEST), "dave"),
    MEASURE: (TEST_RESULT_TYPE, "m", digest(World().weights), measure_predicate(MEASURED), "carol"),
}


def rendered(verdict: Verdict) -> None:
    """Every output of every verdict can be written."""
    for text in (gate_json(verdict), gate_sarif(verdict), gate_junit(verdict), gate_markdown(verdict)):
        text.encode("utf-8")
    assert all(len(line) <= 80 for line in lines(verdict))


RUN = World().write(new_folder())
WHOLE = {name: (RUN / name).read_bytes() for name in NAMES}


def with_file(name: str, data: bytes) -> Verdict:
    try:
        (RUN / name).write_bytes(data)
        return verdict_of(RUN)
    finally:
        (RUN / name).write_bytes(WHOLE[name])


@pytest.mark.long
@SLOW
@given(st.sampled_from(NAMES), st.binary() | JSON.map(lambda found: json.dumps(found).encode()))
def test_any_bytes_in_place_of_evidence(name: str, data: bytes) -> None:
    verdict = with_file(name, data)
    assert verdict.result == FAILED
    rendered(verdict)


@pytest.mark.long
@SLOW
@given(st.sampled_from(NAMES), st.data())
def test_any_bytes_changed_in_evidence(name: str, data: st.DataObject) -> None:
    whole = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    verdict = with_file(name, bytes(whole))
    assert verdict.result == FAILED or same(bytes(whole), WHOLE[name])
    rendered(verdict)


def same(data: bytes, whole: bytes) -> bool:
    """Whether a change only touched the space between the tokens of the JSON."""
    return bool(json.loads(data) == json.loads(whole))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in a JSON value."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += leaves(item, (*path, key))
    return found


@pytest.mark.long
@SLOW
@given(st.sampled_from(sorted(SIGNED)), st.data(), JSON)
def test_any_value_in_a_statement_that_is_properly_signed(name: str, data: st.DataObject, value: Any) -> None:
    """A signer may sign nonsense: a verdict comes out all the same, and only rules about that statement fail."""
    kind, subject, sha256, predicate, who = SIGNED[name]
    predicate = json.loads(json.dumps(predicate))
    place = data.draw(st.sampled_from(leaves(predicate)[1:]))
    holder = predicate
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    payload = encode_statement([Subject(subject, sha256)], kind, predicate)
    verdict = with_file(name, encode_bundle(sign(payload, [signer(who)])).encode())
    rendered(verdict)
    assert {one.rule for one in verdict.failed} <= {one.id for one in RULES if PARTS[name] in one.needs}
