"""What a dossier says: everything that is there with the files it rests on, and what is not there, by name."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.gate.world import TRAINED, World, digest, manifest, scanned, trusted
from tests.report.scan_sample import result
from whitesquare._base.schema import decode, encode
from whitesquare.auditing.bounds import at_most, exact_estimate
from whitesquare.auditing.compose import dossier_json, fingerprint
from whitesquare.auditing.controls import CONTROLS
from whitesquare.auditing.types import SECTIONS, Dossier
from whitesquare.cli.examples import GROUPS
from whitesquare.deciding.log import DECISIONS
from whitesquare.errors import NothingToDoError, UsageError
from whitesquare.learning.estimates import exact_share, upper_bound
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, REVIEW, SCAN, SCAN_REPORT, VSA
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
from whitesquare.records import CARD, VICTIM, WEIGHTS
from whitesquare.scanning.files import scan_json

from .made import drilled, full_run, scan, statement, told

DRILL, DRILL_SIGNED, REMOVED = "drill/drill.json", "drill/drill.sigstore.json", "removed.json"
BEFORE_SCAN, BEFORE_VICTIM = "before/scan.json", "before/victim.json"
VERBS = {verb for verbs in GROUPS.values() for verb in verbs}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole run to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.fixture(scope="module")
def dossier(whole: Path) -> Dossier:
    return told(whole)


def test_with_all_evidence_everything_is_shown_and_each_statement_names_file_and_digest(
    whole: Path, dossier: Dossier
) -> None:
    assert dossier.not_shown == ()
    assert dossier.problems == ()
    for one in dossier.statements:
        assert one.rests, one.id
        for rest in one.rests:
            assert rest.sha256 == sha256((whole / rest.file).read_bytes()).hexdigest(), (one.id, rest.file)
    names = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert {one.name for one in dossier.files} == names
    assert {one.section for one in dossier.statements} == set(SECTIONS)
    assert len({one.id for one in dossier.statements}) == len(dossier.statements)


def test_what_is_said_are_the_numbers_of_the_files(dossier: Dossier) -> None:
    said = {one.id: one for one in dossier.statements}
    assert "version 3" in said["data.identity"].text
    assert said["data.counts"].facts == dict.fromkeys("01", "5 in test, 30 in train")
    assert "https://example.org/photos.zip" in said["data.sources"].facts
    assert "all 60 samples" in said["looked.complete"].text
    assert said["looked.thresholds"].facts["controls of a proof, at least"] == "499"
    assert said["looked.coverage"].text.startswith("1 of 2 rules")
    power = {one.name: one for one in said["power.attack.stamp"].figures}
    alarmed = power["stamp at 5 %: runs in which the class was alarmed"]
    expected = exact_share("x", 10, 10)
    assert (alarmed.value, alarmed.n) == (1.0, 10)
    assert alarmed.low == pytest.approx(expected.low)
    assert power["stamp at 1 %: poisons behind the alarm"].value == pytest.approx(0.03)
    assert "at most 4.9 %" in said["false-alarms.count"].text
    assert said["found.verdict"].text.startswith("Verdict of the scan: confirmed")
    assert "2 keep, 1 remove" in said["decided.marks"].text
    assert "“bob” in the role “review”" in said["decided.signed"].text
    assert "40 samples of 100" in said["removed.samples"].text
    assert [one.value for one in said["removed.attack"].figures] == [0.98, 0.02]
    assert "all 60 samples" in said["model.data"].text
    assert "FAILED" in said["verdict.gate"].text  # the scan of this run raised an alarm


def test_a_signed_statement_names_key_and_role_and_an_unsigned_one_says_so(dossier: Dossier) -> None:
    keys = {one.name: [(key.name, key.role) for key in one.signers] for one in dossier.files}
    assert keys[MANIFEST] == keys[ENVELOPE] == [("alice", "data"), ("bob", "review")]
    assert keys[SCAN_REPORT] == keys[SCAN] == [("carol", "scanner")]
    assert keys[WEIGHTS] == keys[CARD] == keys[PROVENANCE] == [("dave", "trainer")]
    assert keys[DECISIONS] == keys[REVIEW] == [("bob", "review")]
    assert keys[VSA] == [("gate", "gate")]
    assert {name for name, found in keys.items() if not found} == {BEFORE_VICTIM, VICTIM}
    assert keys[DRILL] == keys[DRILL_SIGNED] == [("carol", "scanner")]
    for one in dossier.statements:
        assert one.signed == all(keys[rest.file] for rest in one.rests), one.id
    unsigned = next(line for line in dossier.not_covered if "nobody signed" in line)
    assert "removed.attack" in unsigned
    assert "false-alarms.count" not in unsigned


WITHOUT = {
    DRILL: ("power.drill", "false-alarms.count"),
    REMOVED: ("removed.samples",),
    BEFORE_VICTIM: ("removed.accuracy", "removed.attack"),
    BEFORE_SCAN: ("removed.scan",),
    DECISIONS: ("decided.marks",),
    REVIEW: ("decided.signed",),
    VSA: ("verdict.gate",),
    PROVENANCE: ("model.training", "model.data"),
    SCAN: ("looked.complete",),
    SCAN_REPORT: ("looked.detectors", "looked.coverage", "looked.thresholds", "found.report"),
    WEIGHTS: ("model.weights",),
    MANIFEST: ("data.identity", "data.signers", "data.sources", "looked.complete", "model.data"),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_evidence_is_not_shown_and_never_left_out(run: Path, dossier: Dossier, name: str) -> None:
    (run / name).unlink()
    found = told(run)
    missing = {one.id: one for one in found.not_shown}
    assert set(WITHOUT[name]) <= set(missing)
    for one in missing.values():
        assert one.text.startswith("Not shown: ")
        first = one.command.split()
        assert first[0] in ("whitesquare", "cp")
        assert first[0] == "cp" or first[1] in VERBS
        assert not one.signed
    assert {one.section for one in found.statements} == set(SECTIONS)
    assert any(f"{WITHOUT[name][0]}" in line for line in found.not_covered)


def test_an_empty_run_says_of_every_section_that_nothing_is_shown(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    found = told(tmp_path)
    assert [one.id for one in found.statements if one.shown] == ["model.weights"]
    assert {one.section for one in found.statements} == set(SECTIONS)
    assert "No verdict of a gate is shown; no scan is shown" in found.headline


def test_a_scan_alone_is_told_as_what_nobody_signed(tmp_path: Path) -> None:
    (tmp_path / SCAN_REPORT).write_text(scan_json(scan()))
    found = told(tmp_path)
    assert statement(found, "found.verdict").shown
    assert not statement(found, "found.verdict").signed
    assert "no signed list says which they are" in statement(found, "data.counts").text
    assert not statement(found, "data.identity").shown


def test_what_the_model_does_is_taken_from_the_unsigned_figures_where_there_are_no_others(run: Path) -> None:
    (run / MEASURE).unlink()
    found = statement(told(run), "model.measured")
    assert found.shown
    assert not found.signed
    (run / VICTIM).unlink()
    assert not statement(told(run), "model.measured").shown


def test_without_trusted_keys_nothing_signed_is_shown(whole: Path) -> None:
    found = told(whole, ())
    assert not any(one.signed for one in found.statements)
    for name in ("data.identity", "looked.complete", "model.training", "verdict.gate", "decided.signed"):
        assert not statement(found, name).shown, name
    assert statement(found, "power.attack.stamp").shown


def test_a_signature_by_a_key_that_is_not_trusted_is_a_problem_of_its_file(whole: Path) -> None:
    found = told(whole, [key for key in trusted() if key.name != "carol"])
    wrong = {one.name: one.problem for one in found.problems}
    assert set(wrong) == {SCAN, MEASURE, DRILL_SIGNED}
    assert "none of the 4 trusted ones" in wrong[SCAN]
    assert "none of the 4 trusted ones" in statement(found, "looked.complete").text
    assert not statement(found, "found.verdict").signed


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (World(scan_of=digest(b"another")), SCAN),
        (World(training_of=digest(b"another")), PROVENANCE),
        (World(training=replace(TRAINED, manifest=digest(manifest("other")))), PROVENANCE),
        (World(measure_of=digest(b"another")), MEASURE),
    ],
)
def test_evidence_of_another_run_is_named_and_not_believed(tmp_path: Path, made: World, name: str) -> None:
    found = told(made.write(tmp_path))
    (wrong,) = (one for one in found.problems if one.name == name)
    assert "does not belong here" in wrong.problem
    assert not any(rest.file == name for one in found.statements if one.shown for rest in one.rests)


def test_a_verdict_about_other_files_is_none(run: Path) -> None:
    (run / WEIGHTS).write_bytes(b"other weights")
    found = told(run)
    assert {VSA, PROVENANCE, MEASURE} <= {one.name for one in found.problems}
    assert not statement(found, "verdict.gate").shown


def test_a_scan_of_a_part_is_not_said_to_be_of_all(tmp_path: Path) -> None:
    found = told(World(scan=scanned(size=59)).write(tmp_path))
    assert "did NOT read exactly" in statement(found, "looked.complete").text
    partly = told(World(training=replace(TRAINED, size=59)).write(tmp_path))
    assert "did NOT read exactly" in statement(partly, "model.data").text


def test_a_report_that_nobody_signed_beside_a_signed_scan_is_told_apart(run: Path) -> None:
    (run / SCAN_REPORT).write_text(scan_json(replace(scan(), alarms=(), flagged=())))
    found = told(run)
    assert "NOT the one of the signed scan" in statement(found, "found.other-report").text
    assert not statement(found, "found.verdict").signed


def test_a_statement_that_its_own_report_denies_is_not_believed(tmp_path: Path) -> None:
    text = scan_json(scan())
    World(scan=scanned(report=digest(text.encode()))).write(tmp_path)  # which says that nothing was found
    (tmp_path / SCAN_REPORT).write_text(text)
    assert "CONTRADICT" in statement(told(tmp_path), "found.contradiction").text


def test_a_drill_that_nobody_signed_or_another_than_the_signed_one_is_nobody_s_word(run: Path) -> None:
    text = (run / DRILL).read_text()
    (run / DRILL).write_text(text.replace('"poisons": 100', '"poisons": 101'))
    found = told(run)
    assert [one.name for one in found.problems] == [DRILL_SIGNED]
    assert not statement(found, "power.attack.stamp").signed
    (run / DRILL_SIGNED).unlink()
    found = told(run)
    assert found.problems == ()
    assert statement(found, "false-alarms.count").shown
    assert not statement(found, "false-alarms.count").signed
    (run / DRILL_SIGNED).write_bytes((run / SCAN).read_bytes())
    assert [one.name for one in told(run).problems] == [DRILL_SIGNED]


def test_a_drill_of_other_data_says_so(run: Path) -> None:
    (run / DRILL).write_text(encode(drilled("ff" * 32)))
    assert "NOT made on the data that were scanned" in statement(told(run), "power.data").text


def test_a_drill_that_scanned_nothing_clean_does_not_show_false_alarms(run: Path) -> None:
    (run / DRILL).write_text(encode(drilled("d1" * 32, clean=0)))
    found = statement(told(run), "false-alarms.count")
    assert not found.shown
    assert "--clean" in found.command


def test_who_chose_what_was_removed_is_said(run: Path) -> None:
    by_tier = statement(told(run), "removed.samples")
    assert by_tier.facts["by whose choice"].startswith("no person's")
    record = json.loads((run / REMOVED).read_text())
    for digest_of, said in (((run / DECISIONS).read_bytes(), "as it lies here"), (b"other", "does not lie here")):
        decisions = {"file": "d", "sha256": sha256(digest_of).hexdigest(), "counts": {}}
        (run / REMOVED).write_text(json.dumps(record | {"decisions": decisions, "relabelled": [{"id": "a", "to": 1}]}))
        found = statement(told(run), "removed.samples").facts
        assert said in found["by whose choice"]
        assert found["samples that were given another class"] == "1"


def test_decisions_about_another_scan_are_not_about_this_one(run: Path) -> None:
    (run / SCAN_REPORT).write_text(scan_json(replace(scan(), seed=9)))
    found = statement(told(run), "decided.scan")
    assert not found.shown
    assert "none here does" in found.text


def test_marks_that_came_after_the_signature_are_nobody_s_word(run: Path) -> None:
    log = run / DECISIONS
    log.write_bytes(log.read_bytes() + log.read_bytes().splitlines(keepends=True)[-1])
    found = told(run)
    assert not statement(found, "decided.marks").signed
    assert "signed other marks" in statement(found, "decided.signed").text


DAMAGED = (SCAN_REPORT, DRILL, DRILL_SIGNED, REMOVED, VICTIM, BEFORE_SCAN, BEFORE_VICTIM, DECISIONS, REVIEW)


@pytest.mark.parametrize("name", [*DAMAGED, VSA, SCAN, MEASURE, PROVENANCE, ENVELOPE])
def test_a_damaged_file_is_named_and_stops_nothing(run: Path, name: str) -> None:
    for content in (b"{", b"", b"[]", b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 100_000, b"{}"):
        (run / name).write_bytes(content)
        found = told(run)
        assert name in {one.name for one in found.problems}, content[:9]
        assert all(rest.file != name for one in found.statements if one.shown for rest in one.rests), content[:9]
        assert str(run) not in dossier_json(found), content[:9]


@settings(max_examples=15)
@given(st.sampled_from(DAMAGED), st.binary(max_size=60), st.integers(0, 2000))
def test_any_bytes_anywhere_make_a_dossier(whole: Path, name: str, data: bytes, at: int) -> None:
    path = whole.parent / "fuzzed"
    if not path.exists():
        shutil.copytree(whole, path)
    before = (whole / name).read_bytes()
    (path / name).write_bytes(before[:at] + data + before[at:])
    found = told(path)
    (path / name).write_bytes(before)
    assert decode(Dossier, dossier_json(found), where="x") == found


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    hostile = '<script>alert(1)</script>\u202e\x1b[31m::error::"\n'
    found = result(
        digest="d1" * 32, source=hostile, warnings=(hostile,), versions={hostile: hostile}, thresholds={hostile: 1.0}
    )
    found = replace(found, alarms=tuple(replace(one, class_name=hostile) for one in found.alarms))
    run = full_run(tmp_path / "run", found, attacks=("stamp", hostile))
    said = told(run)
    for one in said.statements:
        texts = [one.text, one.command, *one.facts, *one.facts.values(), *(figure.name for figure in one.figures)]
        assert not any("\x1b" in text or "\n" in text or "\u202e" in text for text in texts), one.id
    assert len({one.id for one in said.statements}) == len(said.statements)
    json.loads(dossier_json(said))


def test_the_same_run_gives_the_same_bytes_but_the_time(whole: Path, dossier: Dossier) -> None:
    again = told(whole)
    assert dossier_json(again) == dossier_json(dossier)
    later = replace(dossier, made="2027-01-01T00:00:00.000000Z")
    assert fingerprint(later) == later.fingerprint == dossier.fingerprint
    changed = replace(dossier, headline="All is well.")
    assert fingerprint(changed) != dossier.fingerprint
    copy = whole.parent / "elsewhere" / "moved"
    shutil.copytree(whole, copy)
    assert dossier_json(told(copy)) == dossier_json(dossier), "no path of a machine is in it"


def test_every_statement_serves_a_control_and_every_control_names_its_statements(dossier: Dossier) -> None:
    rows = {row.id: row for row in dossier.controls}
    assert set(rows) == {one.id for one in CONTROLS}
    assert {"Art. 10(2)(b)", "Art. 15(5)", "MEASURE 2.7", "ML02:2023", "LLM04:2025", "AML.T0020"} <= set(rows)
    for one in dossier.statements:
        assert one.serves
        assert all(one.id in rows[name].shown for name in one.serves)


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        told(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NothingToDoError, match="no evidence"):
        told(tmp_path)


@given(st.integers(1, 100), st.data())
def test_intervals_of_runs_are_those_of_clopper_and_pearson(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    found, expected = exact_estimate("x", hits, n), stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    assert (found.value, found.n) == (hits / n, n)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


@given(st.integers(1, 100), st.data())
def test_the_one_sided_bound_is_the_one_of_the_drill(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    assert at_most(hits, n) == pytest.approx(upper_bound(hits, n), abs=1e-9)


def test_false_alarms_are_counted_anew_from_the_runs(run: Path) -> None:
    text = (run / DRILL).read_text()
    record = json.loads(text)
    for one in record["clean"]["runs"][:3]:
        one["alarmed"] = ["cat"]
    record["clean"]["runs"][0]["confirmed"] = 1
    record["clean"]["runs"][9]["verdict"] = "not decided"
    (run / DRILL).write_text(json.dumps(record))
    found = statement(told(run), "false-alarms.count")
    assert found.text.startswith("3 of 59 scans of clean resamples (80 % of each class, drawn anew) raised an alarm")
    assert "1 a confirmed one: at most 12.6 % of such scans do" in found.text
    assert [round(one.value * 59) for one in found.figures] == [3, 1]


def test_a_bundle_without_an_envelope_is_enough(run: Path) -> None:
    (run / ENVELOPE).unlink()
    found = statement(told(run), "data.identity")
    assert [rest.file for rest in found.rests] == [BUNDLE, MANIFEST]
    assert found.signed
