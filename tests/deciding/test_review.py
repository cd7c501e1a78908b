"""Deciding as a user does: write down, list, sign; what is not, or no longer, what people looked at is refused."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import whitesquare as ws
from tests.core_install import run_core
from tests.own_data import OwnDataset
from whitesquare.cli import app
from whitesquare.data import open_dataset
from whitesquare.deciding.log import DecisionLog
from whitesquare.deciding.review import reviewed_scan
from whitesquare.deciding.signed import DECISIONS_TYPE, review_evidence
from whitesquare.errors import DataError, NothingToDoError, UsageError, VerificationError
from whitesquare.jobs.review import decide, review, sign_decisions
from whitesquare.provenance.evidence import REVIEW, SCAN_REPORT
from whitesquare.signing.keys import Signer, generate, load_public, load_signer
from whitesquare.signing.statements import read_statement
from whitesquare.signing.times import utc_now

from .marks import mark
from .scans import picture, write_folder, write_scan

TIERS = {"cat/0.png": "confirmed", "cat/1.png": "suspicious", "dog/0.png": "review"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos")


@pytest.fixture
def scan(photos: Path) -> Path:
    return write_scan(photos.parent / "scan.json", photos, TIERS)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name, role in (("ann", "review"), ("bob", "data")):
        generate(folder / name, "ed25519", None, {"role": role})
    return folder


def signer(keys: Path, name: str) -> Signer:
    return load_signer(str(keys / f"{name}.pem"), lambda _: "")


def run(*arguments: object, code: int = 0) -> str:
    found = CliRunner().invoke(app, ["review", *map(str, arguments)])
    assert found.exit_code == code, found.output
    return " ".join(found.output.split())


def test_decisions_are_written_with_who_when_why_and_what_was_looked_at(scan: Path, photos: Path) -> None:
    before = utc_now()
    (one,) = decide(scan, ["cat/0.png"], "remove", by="ann", role="review", why="a white square")
    assert (one.choice, one.by, one.role, one.why) == ("remove", "ann", "review", "a white square")
    assert one.content == hashlib.sha256((photos / "cat/0.png").read_bytes()).hexdigest()
    assert before.isoformat() <= one.at
    found = ws.review(scan)
    assert found.marks == (one,)
    assert found.log == scan.with_name("decisions.jsonl")
    assert found.counts == {"keep": 0, "remove": 1, "relabel": 0, "unsure": 0, "disagreed": 0, "open": 2}
    assert [one.id for one in found.open] == ["cat/1.png", "dog/0.png"]
    assert review(scan.parent).marks == (one,)


def test_a_disagreement_is_one_until_somebody_thinks_otherwise(scan: Path) -> None:
    decide(scan, ["cat/0.png"], "remove", by="ann")
    decide(scan, ["cat/0.png", "dog/3.png"], "keep", by="bob")
    found = review(scan)
    assert [one.id for one in found.disagreed] == ["cat/0.png"]
    assert found.people == {"ann": 1, "bob": 2}
    decide(scan, ["cat/0.png"], "", by="bob")
    assert not review(scan).disagreed
    assert review(scan).decided["cat/0.png"].choice == "remove"


def test_what_cannot_be_decided_is_not_written(scan: Path) -> None:
    for ids, choice, label, told in (
        (["cat/9.png"], "keep", "", r"no sample 'cat/9\.png'.*did you mean 'cat/"),
        (["cat/0.png"], "relabel", "cow", "no class named 'cow'; known: cat, dog, owl"),
    ):
        with pytest.raises(UsageError, match=told):
            decide(scan, ids, choice, by="ann", label=label)
    with pytest.raises(DataError, match="by is empty"):
        decide(scan, ["cat/0.png"], "keep", by="")
    assert not scan.with_name("decisions.jsonl").exists()


def test_the_list_names_what_is_decided_open_and_disagreed(scan: Path) -> None:
    assert "0 of 3 flagged samples are decided. " in run(scan, "--list")
    run(scan, "--decide", "remove", "--id", "cat/0.png", "--by", "ann", "--why", "a [bold]white[/] square")
    run(scan, "--decide", "relabel", "--label", "owl", "--id", "cat/0.png", "--id", "owl/2.png", "--by", "bob")
    run(scan, "--decide", "unsure", "--id", "cat/1.png", "--by", "bob")
    text = run(scan.parent, "--list")
    assert "2 of 3 flagged samples are decided, and 1 sample that the scan did not flag: 1 relabel" in text
    assert "Disagreed: 1" in text
    assert "ann: remove (a [bold]white[/] square); bob: relabel to \u201cowl\u201d" in text
    assert "Unsure: 1" in text
    assert "Open: 1 sample tier dog/0.png review" in text
    assert "--keep-open -o cleaned" in text
    found = json.loads(run(scan, "--list", "-o", "json"))
    assert found["counts"] == {"keep": 0, "remove": 0, "relabel": 1, "unsure": 1, "disagreed": 1, "open": 1}
    assert found["samples"][0]["said"][0]["why"] == "a [bold]white[/] square"
    assert found["open"] == [{"id": "dog/0.png", "tier": "review"}]
    run(scan, "--decide", "undo", "--id", "cat/1.png", "--by", "bob")
    assert "1 of 3 flagged samples are decided" in run(scan, "--list")


def test_hostile_names_drive_no_terminal(tmp_path: Path) -> None:
    name = "\x1b[31m::error::<script>"
    folder = write_folder(tmp_path / "photos")
    (folder / "cat" / "0.png").rename(folder / "cat" / "<img src=x onerror=alert(1)>::error::.png")
    hostile = "cat/<img src=x onerror=alert(1)>::error::.png"
    scan = write_scan(tmp_path / "scan.json", folder, {hostile: "suspicious"})
    decide(scan, [hostile], "unsure", by=name, why="\x1b]0;x\x07\n::error::")
    for output in ("table", "json"):
        found = CliRunner().invoke(app, ["review", str(scan), "--list", "-o", output])
        assert found.exit_code == 0
        assert "\x1b" not in found.output
        assert not [line for line in found.output.splitlines() if line.lstrip().startswith("::")]
    assert review(scan).decided[hostile].by_person[name].why == "\x1b]0;x\x07\n::error::"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--list", "--sign", "k.pem"), "--list and --sign are different things to do"),
        (("--decide", "keep", "--id", "cat/0.png"), "who decides"),
        (("--decide", "keep", "--by", "ann"), "--decide needs the samples"),
        (("--id", "cat/0.png", "--list"), "add --decide"),
        (("--sign", "k.pem", "-o", "json"), "add --list"),
        (("--list", "--decisions", "nowhere.jsonl"), "There is no file nowhere.jsonl"),
        (("--sign", "nowhere.pem"), "There is no key nowhere.pem"),
    ],
)
def test_what_cannot_be_meant_is_refused(scan: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in run(scan, *arguments, code=3 if "nowhere.jsonl" in arguments else 2)


def test_the_list_works_without_the_extras(scan: Path) -> None:
    """A core install, without NumPy, without the data."""
    DecisionLog(scan.with_name("decisions.jsonl"), reviewed_scan(scan).head).append([mark("cat/0.png")])
    shutil.rmtree(scan.parent / "photos")
    done = run_core("review", scan, "--list", cwd=scan.parent)
    assert done.returncode == 0, done.stderr
    assert "1 of 3 flagged samples are decided: 1 keep" in done.stdout
    done = run_core("review", scan, "--decide", "keep", "--id", "cat/0.png", "--by", "ann", cwd=scan.parent)
    assert done.returncode == 2
    assert "pip install 'whitesquare[scan]'" in done.stderr


def test_decisions_are_signed_and_a_second_person_adds_a_signature(scan: Path, keys: Path) -> None:
    decide(scan, ["cat/0.png"], "remove", by="ann", role="review")
    decide(scan, ["cat/1.png"], "relabel", by="bob", label="owl")
    done = sign_decisions(scan, signer(keys, "ann"))
    assert (done.signatures, done.replaced) == (1, 0)
    again = sign_decisions(scan, signer(keys, "bob"))
    assert (again.signatures, again.replaced) == (2, 0)
    with pytest.raises(UsageError, match="has signed these decisions before"):
        sign_decisions(scan, signer(keys, "bob"))
    trusted = [load_public(keys / f"{name}.pub") for name in ("ann", "bob")]
    found = read_statement(scan.with_name(REVIEW), DECISIONS_TYPE, trusted, utc_now(), 2)
    assert [(one.name, one.sha256) for one in found.subjects] == [(SCAN_REPORT, reviewed_scan(scan).head.scan)]
    said = review_evidence(found.predicate, REVIEW, scan.parent)
    assert said == done.evidence == again.evidence
    assert said.log == hashlib.sha256(scan.with_name("decisions.jsonl").read_bytes()).hexdigest()
    assert said.counts["remove"] == said.counts["relabel"] == 1
    assert said.decisions[1].marks[0].label == "owl"
    decide(scan, ["cat/1.png"], "keep", by="bob")
    assert sign_decisions(scan, signer(keys, "ann")).replaced == 2


def test_signing_tells_what_it_did(scan: Path, keys: Path) -> None:
    assert "Nobody has decided anything" in run(scan, "--sign", keys / "ann.pem", code=3)
    run(scan, "--decide", "keep", "--id", "cat/0.png", "--by", "ann")
    assert "Signed 1 decision (1 keep)" in run(scan, "--sign", keys / "ann.pem")
    run(scan, "--decide", "remove", "--id", "cat/1.png", "--by", "ann")
    told = run(scan, "--sign", keys / "bob.pem")
    assert "held 1 signature of other decisions, which are gone" in told
    assert "It holds 1 signature." in told


def test_that_nothing_had_to_be_decided_is_signed_too(tmp_path: Path, photos: Path, keys: Path) -> None:
    scan = write_scan(tmp_path / "scan.json", photos, {"cat/0.png": "review"})
    assert sign_decisions(scan, signer(keys, "ann")).evidence.decisions == ()
    assert sign_decisions(scan, signer(keys, "bob")).signatures == 2


def test_an_envelope_that_is_none_is_not_overwritten(scan: Path, keys: Path) -> None:
    decide(scan, ["cat/0.png"], "keep", by="ann")
    scan.with_name(REVIEW).write_text("{}")
    with pytest.raises(VerificationError, match="is not a signed envelope"):
        sign_decisions(scan, signer(keys, "ann"))
    assert scan.with_name(REVIEW).read_text() == "{}"


def test_names_that_are_no_utf8_are_decided_on_and_not_signed(tmp_path: Path, keys: Path) -> None:
    mine = OwnDataset(np.stack([picture(i)[None] for i in range(4)]), [0, 0, 1, 1])
    mine.ids[0] = "a\udc80"
    scan = write_scan(tmp_path / "scan.json", mine, {"a\udc80": "suspicious"}, name="mine")
    decide(scan, ["a\udc80"], "keep", by="ann", data=mine)
    assert review(scan).decided["a\udc80"].choice == "keep"
    assert json.loads(run(scan, "--list", "-o", "json"))["samples"][0]["id"] == "a\udc80"
    with pytest.raises(DataError, match="is not UTF-8"):
        sign_decisions(scan, signer(keys, "ann"), data=mine)


def test_a_scan_without_its_data_says_how_to_name_them(scan: Path, photos: Path, keys: Path) -> None:
    decide(scan, ["cat/0.png"], "keep", by="ann")
    moved = photos.rename(photos.with_name("moved"))
    for attempt in (
        lambda: decide(scan, ["cat/0.png"], "keep", by="ann"),
        lambda: sign_decisions(scan, signer(keys, "ann")),
    ):
        with pytest.raises(UsageError, match=rf"data set '{photos}', which cannot be opened.*--data"):
            attempt()
    assert sign_decisions(scan, signer(keys, "ann"), data=moved).signatures == 1
    decide(scan, ["cat/1.png"], "keep", by="ann", data=open_dataset(moved))
    assert len(review(scan).decided) == 2


def test_data_that_changed_since_are_named(scan: Path, photos: Path, keys: Path) -> None:
    decide(scan, ["cat/0.png", "cat/1.png", "dog/0.png", "owl/3.png"], "keep", by="ann")
    (photos / "cat" / "0.png").write_bytes((photos / "dog" / "3.png").read_bytes())
    with pytest.raises(DataError, match=r"1 sample that is not what people looked at: 'cat/0\.png' has changed since"):
        sign_decisions(scan, signer(keys, "ann"))
    (photos / "dog" / "0.png").unlink()
    with pytest.raises(DataError, match=r"2 samples that are not.*'dog/0\.png' is not in the data set"):
        sign_decisions(scan, signer(keys, "ann"))
    assert not scan.with_name(REVIEW).exists()


def edit(scan: Path, **changes: Any) -> None:
    """Change the last decision by hand."""
    path = scan.with_name("decisions.jsonl")
    *before, last = path.read_text().splitlines()
    path.write_text("\n".join([*before, json.dumps(json.loads(last) | changes)]) + "\n")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"choice": "delete"}, "There is no choice named 'delete'"),
        ({"id": "cat/7.png"}, r"'cat/7\.png' is not in the data set \(did you mean 'cat/"),
        ({"content": "99" * 32}, r"'cat/0\.png' has changed since"),
        ({"id": "cat/1.png"}, r"'cat/1\.png' has changed since"),
        ({"choice": "relabel", "label": "dgo"}, r"no class named 'dgo'.*Did you mean 'dog'"),
    ],
)
def test_a_file_that_was_edited_by_hand_is_not_signed(scan: Path, keys: Path, changes: Any, told: str) -> None:
    decide(scan, ["cat/0.png"], "keep", by="ann")
    edit(scan, **changes)
    with pytest.raises(DataError, match=told):
        sign_decisions(scan, signer(keys, "ann"))


def test_a_scan_that_was_changed_since_is_another_one(scan: Path) -> None:
    decide(scan, ["cat/0.png"], "keep", by="ann")
    scan.write_text(scan.read_text() + "\n")
    with pytest.raises(DataError, match=r"decisions about the scan [0-9a-f]{64} .*and this is the scan [0-9a-f]{64}"):
        review(scan)
    with pytest.raises(DataError, match="cannot be read as a scan"):
        review(scan.with_name("nowhere.json"))
    scan.write_text("{}")
    with pytest.raises(DataError, match=r"is not a scan\.json"):
        review(scan)


def test_a_file_that_is_named_must_be_there(scan: Path) -> None:
    with pytest.raises(NothingToDoError, match="decide with"):
        review(scan, scan.with_name("other.jsonl"))
    decide(scan, ["cat/0.png"], "keep", by="ann", decisions=scan.with_name("other.jsonl"))
    assert len(review(scan, scan.with_name("other.jsonl")).marks) == 1
    assert review(scan).marks == ()
