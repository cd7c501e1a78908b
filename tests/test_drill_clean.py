"""False alarms of a drill: what a clean resample is, and what its counts amount to."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.scan_sample import nothing_found, result
from whitesquare._base.schema import decode, encode
from whitesquare.cli.exits import PASS
from whitesquare.data import from_arrays, write_npz
from whitesquare.errors import NothingToDoError, UsageError
from whitesquare.learning.estimates import exact_share, upper_bound
from whitesquare.provenance.predicates import drill_evidence
from whitesquare.report.drill.page import render_drill
from whitesquare.report.drill.text import shown
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.stored import without_pictures
from whitesquare.scanning.types import NOT_DECIDED, NOTHING_FOUND, Scan, ScanResult
from whitesquare.signing.keys import generate, load_trusted
from whitesquare.signing.statements import TEST_RESULT_TYPE, read_statement
from whitesquare.signing.times import utc_now
from whitesquare.study import drill as job
from whitesquare.study.drill import DrillSettings
from whitesquare.study.drill_clean import clean_controls, resample, summary
from whitesquare.study.drill_types import CLEAN_SHARE, CleanRun, DrillResult
from whitesquare.types import ImageDataset

from .conftest import halved
from .test_drill import drill
from .test_published_schemas import drill as drilled


def noise(size: int = 60) -> ImageDataset:
    rng = np.random.default_rng(0)
    return from_arrays(rng.integers(0, 255, (size, 8, 8), dtype=np.uint8), np.arange(size) % 3, classes=("a", "b", "c"))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 1000))
def test_a_resample_is_that_share_of_every_class_without_copies(found: list[int], seed: int) -> None:
    labels = np.array(found)
    drawn = resample(labels, np.arange(len(labels)), seed)
    assert len(set(drawn.tolist())) == len(drawn)
    assert sorted(drawn) == drawn.tolist()
    for label in set(found):
        own = int((labels == label).sum())
        assert int((labels[drawn] == label).sum()) == max(1, round(CLEAN_SHARE * own))
    assert drawn.tolist() == resample(labels, np.arange(len(labels)), seed).tolist()


def test_two_seeds_draw_two_resamples() -> None:
    labels = np.zeros(100, np.int64)
    assert resample(labels, np.arange(100), 0).tolist() != resample(labels, np.arange(100), 1).tolist()


def test_what_an_alarm_flags_in_the_data_as_they_are_is_in_no_resample() -> None:
    data, plain = noise(2000), result()
    bad = {flag.position for flag in plain.flagged if flag.tier != "review" and flag.position < 2000}
    seen: list[tuple[str, ...]] = []

    def scan(part: ImageDataset, seed: int) -> ScanResult:
        seen.append(tuple(part.ids))
        return nothing_found()

    told: list[int] = []
    found = clean_controls(data, plain, 3, 5, scan, lambda: told.append(1))
    assert found is not None
    assert found.left_out == len(bad)
    assert len(told) == len(seen) == 3 == len(set(seen))
    flagged = {data.ids[i] for i in bad}
    assert flagged
    assert not flagged & {name for ids in seen for name in ids}
    assert [run.seed for run in found.runs] == [5, 6, 7]
    assert f"without the {len(bad)} samples" in found.sentence


def runs(alarmed: int, quiet: int, undecided: int = 0) -> tuple[CleanRun, ...]:
    loud = [CleanRun(0, 9, "suspicious", ("a",), 0, 3, 1.0)] * alarmed
    still = [CleanRun(0, 9, NOTHING_FOUND, (), 0, 0, 1.0)] * quiet
    return (*loud, *still, *[CleanRun(0, 9, NOT_DECIDED, ("a",), 1, 3, 1.0)] * undecided)


def test_none_of_sixty_says_at_most_4_9_per_cent() -> None:
    found = summary(runs(0, 60), 0)
    assert found.alarmed is not None
    assert (found.alarmed.value, found.alarmed.low) == (0.0, 0.0)
    assert found.alarmed_at_most == pytest.approx(1 - 0.05 ** (1 / 60))
    assert "0 of 60 scans of 80 % of each class" in found.sentence
    assert "at most 4.9 % of such scans do (95 %)" in found.sentence


def test_a_scan_without_a_verdict_is_no_quiet_one() -> None:
    found = summary(runs(1, 3, undecided=2), 0)
    assert found.alarmed is not None
    assert (found.alarmed.value, found.alarmed.n, found.undecided) == (0.25, 4, 2)
    assert found.confirmed is not None
    assert found.confirmed.value == 0
    assert "2 more came to no verdict" in found.sentence
    nothing = summary(runs(0, 0, undecided=3), 0)
    assert nothing.alarmed is None
    assert nothing.alarmed_at_most == 1.0
    assert "not known" in nothing.sentence


@given(st.integers(1, 60), st.data())
def test_the_exact_interval_holds_the_share_and_ends_above_the_bound(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    found = exact_share("x", hits, n)
    assert found.low <= hits / n <= found.high
    assert upper_bound(hits, n) <= found.high + 1e-12
    with pytest.raises(NothingToDoError):
        exact_share("x", 0, 0)


@pytest.mark.slow
def test_the_command_counts_them_and_every_output_says_so(tmp_path, small_train) -> None:  # type: ignore[no-untyped-def]
    write_npz(tmp_path / "one.npz", halved(small_train, 600, digits=3))
    generate(tmp_path / "carol", "ed25519", None, {"role": "scanner"})
    done = drill(  # type: ignore[no-untyped-call]
        *(tmp_path / "one.npz", "--attacks", "label-flip", "--rates", "0.1", "--seeds", 1, "--clean", 2),
        *("--key", tmp_path / "carol.pem", "-o", tmp_path / "out"),
    )
    assert done.returncode == PASS, done.stderr
    found = decode(DrillResult, (tmp_path / "out" / "drill.json").read_text(), where="drill.json")
    assert found.clean is not None
    assert {run.size for run in found.clean.runs} <= {479, 480, 481}
    assert found.clean.sentence in " ".join(done.stdout.split())
    assert found.clean.sentence in (tmp_path / "out" / "report.html").read_text()
    trusted = load_trusted(tmp_path / "carol.pub")
    signed = read_statement(tmp_path / "out" / "drill.sigstore.json", TEST_RESULT_TYPE, trusted, utc_now())
    assert [one.sha256 for one in signed.subjects] == [
        sha256((tmp_path / "out" / "drill.json").read_bytes()).hexdigest()
    ]
    assert drill_evidence(signed.predicate, "x").digest == found.digest


def test_a_drill_scans_them_beside_its_attacks(tiny, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    sizes, steps = [], []

    def quick(part: ImageDataset, settings: ScanSettings) -> Scan:
        sizes.append(len(part.labels))
        return without_pictures(nothing_found())

    monkeypatch.setattr(job, "run_scan", quick)
    settings = DrillSettings(("stamp",), (0.1,), seeds=1, clean=4)
    found = job.drill(tiny, settings, on_progress=lambda step, done, total: steps.append((step, done, total)))
    assert found.clean is not None
    assert len(found.clean.runs) == 4
    assert found.clean.sentence.startswith("False alarms: 0 of 4 scans")
    whole = len(tiny.labels)
    assert [size < whole for size in sizes] == [False, True, True, True, True, False]
    assert [done for step, done, _ in steps if step == "drill: scans"] == [0, 1, 2, 3, 4, 5, 6]
    assert {total for step, _, total in steps if step == "drill: scans"} == {6}
    assert found.clean.sentence in render_drill(found)
    assert found.clean.sentence in shown(found)


def test_a_drill_without_them_reads_and_shows_as_before() -> None:
    found = drilled()
    assert decode(DrillResult, encode(found), where="x").clean is None
    assert "False alarms" not in render_drill(found) + str(shown(found))


def test_fewer_than_none_cannot_be_asked_for() -> None:
    with pytest.raises(UsageError, match="0 or more"):
        DrillSettings(("stamp",), (0.1,), clean=-1)
