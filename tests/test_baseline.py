"""A baseline accepts what was looked at: by content, for these samples, this rule, this class, and no more."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.cli.scan import FailOn, exit_code
from whitesquare.data import from_arrays, write_dataset
from whitesquare.errors import DataError
from whitesquare.scanning.baseline import accept, baseline_json, baseline_of, read_baseline

from .report.scan_sample import alarm, flags, nothing_found, result

QUICK = ("--model-free", "--detectors", "pixel-contrast,patch-contrast", "-q")


def run(*arguments: object, code: int) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="whitesquare")
    assert done.exit_code == code, done.stdout + done.stderr
    return done.stdout, " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory, small_train, small_test) -> Path:
    """Class folders of MNIST, half of whose threes carry the square."""
    folder = tmp_path_factory.mktemp("poisoned")
    part = from_arrays(small_train.images(slice(0, 2000)), small_train.labels[:2000], classes=small_train.classes)
    test = from_arrays(small_test.images(slice(0, 50)), small_test.labels[:50], classes=small_test.classes)
    write_dataset(folder / "clean", part, test, "png-folder")
    run("poison", folder / "clean", "--attack", "stamp", "--target", "3", "--count", 90, "-o", folder / "run", code=0)
    return folder / "run"


@pytest.fixture(scope="module")
def known(poisoned: Path, tmp_path_factory) -> Path:
    """A baseline of it, and the exit codes before and after."""
    file = tmp_path_factory.mktemp("known") / "known.json"
    run("scan", poisoned, *QUICK, code=1)
    told = ("--accepted-by", "ann", "--why", "a watermark")
    run("scan", poisoned, *QUICK, "--write-baseline", file, *told, code=0)
    return file


@pytest.mark.long
def test_a_known_finding_is_shown_as_accepted_and_fails_nothing(poisoned: Path, known: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / kind for kind in ("json", "sarif", "junit", "html")}
    asked = [part for kind, file in files.items() for part in ("-o", f"{kind}={file}")]
    out, err = run("scan", poisoned, *QUICK, "--baseline", known, "-o", "table", *asked, code=0)
    text = " ".join(out.split())
    assert "all that was found is accepted in the baseline" in text
    assert "Accepted in the baseline by ann on" in text
    assert "a watermark" in text
    assert err == ""
    (one,) = json.loads(files["json"].read_text())["accepted"]
    assert (one["label"], one["by"], one["why"]) == (3, "ann", "a watermark")
    results = json.loads(files["sarif"].read_text())["runs"][0]["results"]
    suppressed = [one for one in results if one.get("suppressions")]
    assert [one["level"] for one in suppressed] == ["warning"]
    assert suppressed[0]["suppressions"][0]["justification"].startswith("a watermark (ann, ")
    suite = Xml.fromstring(files["junit"].read_text())
    assert suite.get("failures") == "0"
    case = next(one for one in suite.iter("testcase") if one.get("name") == "class 3")
    assert "a watermark" in case[0].get("message", "")
    assert "a watermark" in files["html"].read_text()


@pytest.mark.long
def test_names_do_not_matter_and_new_samples_do(poisoned: Path, known: Path, tmp_path: Path) -> None:
    samples = json.loads(known.read_text())["accepted"][0]["samples"]
    assert len(samples) == 90
    stamped = sorted(samples.values())
    for name in stamped[:10]:
        file = poisoned / name
        file.rename(file.with_name(f"renamed-{file.name}"))
    run("scan", poisoned, *QUICK, "--baseline", known, code=0)
    record = json.loads(known.read_text())
    record["accepted"][0]["samples"].popitem()
    (tmp_path / "less.json").write_text(json.dumps(record))
    _, err = run("scan", poisoned, *QUICK, "--baseline", tmp_path / "less.json", code=1)
    assert "this scan does not find it" in err


def test_the_file_can_be_reviewed_and_what_is_known_keeps_its_reason(
    poisoned: Path, known: Path, tmp_path: Path
) -> None:
    record = json.loads(known.read_text())
    (entry,) = record["accepted"]
    assert set(entry) == {"class_name", "rule_id", "tier", "by", "when", "why", "dataset", "samples"}
    again = tmp_path / "again.json"
    run("scan", poisoned, *QUICK, "--baseline", known, "--write-baseline", again, "--why", "other", code=0)
    assert json.loads(again.read_text())["accepted"][0]["why"] == "a watermark"


def test_a_stale_entry_is_named(poisoned: Path, known: Path) -> None:
    _, err = run("scan", poisoned.parent / "clean", *QUICK, "--baseline", known, code=0)
    assert "accepts PX01 in the class '3' (by ann, " in err
    assert "remove the entry" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a valid baseline"),
        ("{}", "has no 'format'"),
        ('{"format": "other", "source": "", "accepted": []}', "its format is"),
        ('{"format": "whitesquare baseline 1", "source": "", "accepted": [], "more": 1}', "more"),
        ('{"format": "whitesquare scan 1"}', "has no"),
    ],
)
def test_a_damaged_or_foreign_baseline_is_no_pass(poisoned: Path, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "known.json"
    file.write_text(text)
    _, err = run("scan", poisoned, *QUICK, "--baseline", file, code=2)
    assert said in err
    run("scan", poisoned, *QUICK, "--baseline", tmp_path / "none.json", code=2)


def test_options_without_their_partner_are_refused(poisoned: Path, tmp_path: Path) -> None:
    _, err = run("scan", poisoned, *QUICK, "--why", "x", code=2)
    assert "--write-baseline" in err
    run("scan", poisoned, *QUICK, "--write-baseline", tmp_path, code=2)
    run("scan", poisoned, *QUICK, "--write-baseline", tmp_path / "no" / "x.json", code=2)


CONTENTS = {flag.id: f"{i:064x}" for i, flag in enumerate(flags())}
WEAK = replace(alarm(), tier="suspicious")


def test_a_stronger_tier_another_rule_and_another_class_are_new() -> None:
    found = nothing_found(alarms=(WEAK,), flagged=flags())
    known = baseline_of(found, CONTENTS, None, "ann", "2026-01-01", "why")
    assert len(known.accepted[0].samples) == 312
    assert exit_code(accept(found, CONTENTS, known)[0], FailOn.SUSPICIOUS) == 0
    for other in (
        replace(WEAK, tier="confirmed"),
        replace(WEAK, rule_id="XX01"),
        replace(WEAK, label=4, class_name="4"),
        replace(WEAK, class_name="another"),
    ):
        told, stale = accept(replace(found, alarms=(other,)), CONTENTS, known)
        assert (told.accepted, len(stale)) == ((), 1)
        assert exit_code(told, FailOn.SUSPICIOUS) == 1
        if other.class_name != "another":  # a class has one name
            told, stale = accept(replace(found, alarms=(other, WEAK)), CONTENTS, known)
            assert (len(told.accepted), stale, told.new_alarms) == (1, (), (other,))
            assert exit_code(told, FailOn.SUSPICIOUS) == 1


def test_a_class_that_stands_out_as_a_whole_is_accepted_for_these_data_only() -> None:
    found = nothing_found(alarms=(replace(WEAK, rule_id="XX01"),))
    known = baseline_of(found, CONTENTS, None, "ann", "2026-01-01", "why")
    assert known.accepted[0].dataset == found.digest
    assert accept(found, CONTENTS, known)[0].accepted
    assert not accept(replace(found, digest="0" * 64), CONTENTS, known)[0].accepted


def test_what_is_undecided_stays_undecided() -> None:
    found = nothing_found(alarms=(WEAK,), flagged=flags(), undecided="The model has learned nothing.")
    known = baseline_of(found, CONTENTS, None, "ann", "2026-01-01", "why")
    assert exit_code(accept(found, CONTENTS, known)[0], FailOn.SUSPICIOUS) == 2


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = baseline_of(result(), CONTENTS, None, "ann", "2026-01-01", "why")
    (tmp_path / "known.json").write_text(baseline_json(known))
    assert read_baseline(tmp_path / "known.json") == known
    odd = replace(known, accepted=(replace(known.accepted[0], tier="certain"),))
    (tmp_path / "odd.json").write_text(baseline_json(odd))
    with pytest.raises(DataError, match="the tier 'certain' is unknown"):
        read_baseline(tmp_path / "odd.json")
