"""What verify is told, where nothing is remembered, and what it remembers: version, time, and where that is kept."""

import json
import os
import re
import shutil
from datetime import timedelta
from hashlib import sha256

import pytest

from whitesquare.errors import UsageError, VerificationError
from whitesquare.provenance import verify as module
from whitesquare.provenance.attest import attest
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.countersign import countersign
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.pins import Pins
from whitesquare.provenance.prove import prove
from whitesquare.provenance.state import StateFile
from whitesquare.provenance.types import BUNDLE, ENVELOPE
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.times import to_text, utc_now

from .signed import Signed, make_signed

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Signed:
    return make_signed(tmp_path_factory.mktemp("original"), 6, name="cats", now=utc_now() - 10 * DAY)


@pytest.fixture
def case(original, tmp_path) -> Signed:
    shutil.copytree(original.folder, tmp_path / "case")
    return Signed(tmp_path / "case")


def manifest_of(case: Signed) -> str:
    return sha256(case.bundle.with_name("manifest.parquet").read_bytes()).hexdigest()


# ---- what the caller knows


def test_the_right_pins_verify(case) -> None:
    assert case.found("--dataset", "cats", "--min-version", 1, "--manifest", manifest_of(case))["ok"]


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        (("--dataset", "dogs"), "is about the data set 'cats'; expected 'dogs'"),
        (("--dataset", "cat"), "expected 'cat'"),
        (("--min-version", 2), "is about version 1 of 'cats'; expected version 2 or a later one"),
        (("--manifest", "ab" * 32), f"expected {'ab' * 32}"),
    ],
)
def test_another_data_set_version_or_manifest(case, pin, said: str) -> None:
    record = case.found(*pin)
    assert said in record["reason"]
    assert not case.state.exists(), "nothing of it is remembered as accepted"
    assert case.found()["ok"]


@pytest.mark.parametrize("pin", [("--manifest", ""), ("--manifest", "ab"), ("--manifest", "AB" * 32), ("--dataset", ""),
                                 ("--min-version", 0), ("--min-version", "x")])  # fmt: skip
def test_a_pin_that_says_nothing_is_no_pin(case, pin) -> None:
    """An empty variable of a workflow must not mean that anything goes."""
    case.verify(*pin, code=2)


def test_an_old_version_with_a_fresh_state_is_refused_by_its_number(case) -> None:
    """What a runner without memory is offered after the data were replaced, and the old bundle put back."""
    old = shutil.copytree(case.bundle.parent, case.folder / "old") / BUNDLE
    case.attest(name="cats")
    assert case.found("--dataset", "cats", "--min-version", 2)["ok"]
    case.state.unlink()
    assert "an older one is offered" in case.found("--dataset", "cats", "--min-version", 2, bundle=old)["reason"]


def test_the_library_pins_too(case) -> None:
    trusted = load_trusted(case.trust)
    found = module.verify(str(case.data), case.bundle, trusted, case.folder / "work", pins=Pins("dogs"))
    assert (found.ok, found.compared) == (False, False)
    assert "expected 'dogs'" in found.reason
    with pytest.raises(UsageError, match="no SHA-256"):
        Pins(manifest="x" * 64)


# ---- the clock


def test_a_statement_of_tomorrow_is_believed_nowhere(case) -> None:
    """The clock was set back, so what has expired would hold again; at every reader."""
    case.trusts("bob")
    trusted, early = load_trusted(case.trust), utc_now() - 11 * DAY
    envelope = case.bundle.with_name(ENVELOPE)
    for read in (
        lambda: read_dataset(case.bundle, trusted, early),
        lambda: read_attested(case.bundle, trusted, early),
        lambda: prove("train/cat/1.png", case.bundle, trusted, now=early),
        lambda: countersign(envelope, case.signer("bob"), trusted, early),
        lambda: attest(str(case.data), [case.signer("alice")], case.bundle.parent, now=early),
    ):
        with pytest.raises(VerificationError, match=r"the clock of this machine stands at .* set back"):
            read()
    found = module.verify(str(case.data), case.bundle, trusted, case.folder / "work", now=early)
    assert "set the clock right" in found.reason


def test_clocks_of_honest_machines_differ_a_little(case) -> None:
    trusted, signed = load_trusted(case.trust), utc_now()
    bundle = case.attest("late", now=signed)
    assert read_dataset(bundle, trusted, signed - timedelta(minutes=9))
    with pytest.raises(VerificationError, match="set back"):
        read_dataset(bundle, trusted, signed - timedelta(minutes=11))


def test_a_clock_set_back_to_when_it_had_not_expired(case) -> None:
    """It was signed ten days ago and has expired; another statement was accepted since, which shows what time it is."""
    trusted, now, state = load_trusted(case.trust), utc_now(), StateFile(case.state, True)
    expired = case.attest("expired", name="dogs", now=now - 9 * DAY, expires=now - 5 * DAY)

    def verify(bundle, at):
        return module.verify(str(case.data), bundle, trusted, case.folder / "work", state=state, now=at)

    assert "expired" in verify(expired, now).reason
    assert verify(case.bundle, now).ok
    assert verify(case.bundle, now - timedelta(minutes=9)).ok
    kept = case.state.read_bytes()
    back = verify(expired, now - 6 * DAY)
    assert re.search(r"The clock of this machine stands at .* remembers a statement of .* set back", back.reason)
    assert not verify(case.bundle, now - 6 * DAY).ok
    assert case.state.read_bytes() == kept
    case.state.unlink()
    assert verify(expired, now - 6 * DAY).ok, "where nothing is remembered nobody can tell"


def test_a_state_file_of_the_first_format_is_read(case) -> None:
    record = {"cats": {"version": 1, "signed": to_text(utc_now() - 10 * DAY), "manifest": manifest_of(case)}}
    case.state.write_text(json.dumps(record))
    case.attest("two", previous=case.bundle)
    assert case.found(bundle=case.folder / "two" / BUNDLE)["ok"]
    assert json.loads(case.state.read_text())["cats"]["version"] == 2
    assert "version 2 was accepted before" in case.found()["reason"]
    record["cats"]["accepted"] = "yesterday"
    case.state.write_text(json.dumps(record))
    assert "is damaged" in case.verify(code=2).stderr


# ---- the lock beside the state file


def test_a_lock_that_leads_elsewhere_is_not_followed(case) -> None:
    precious = case.folder / "precious"
    precious.write_text("precious")
    lock = case.state.with_name(f".{case.state.name}.lock")
    lock.symlink_to(precious)
    done = case.verify(code=2)
    assert "is not remembered" in " ".join(done.stderr.split())
    assert precious.read_text() == "precious"
    lock.unlink()
    lock.symlink_to(case.folder / "made")
    case.verify(code=2)
    assert not (case.folder / "made").exists()


def test_a_lock_is_not_written_to_and_is_the_owner_s(case) -> None:
    lock = case.state.with_name(f".{case.state.name}.lock")
    lock.write_text("kept")
    case.verify(code=0)
    assert lock.read_text() == "kept"
    lock.unlink()
    case.verify(code=0)
    assert lock.stat().st_mode & 0o777 == 0o600


def test_a_pipe_in_the_place_of_the_lock_does_not_stop_it(case) -> None:
    os.mkfifo(case.state.with_name(f".{case.state.name}.lock"))
    assert "no plain file" in " ".join(case.verify(code=2).stderr.split())


def test_a_manifest_exchanged_while_changes_are_named(case, monkeypatch) -> None:
    min(case.data.rglob("*.png")).write_bytes(b"other")
    manifest, real = case.bundle.with_name("manifest.parquet"), module.diff

    def diff(*arguments, **options):
        found = real(*arguments, **options)
        manifest.write_bytes(b"other")
        return found

    monkeypatch.setattr(module, "diff", diff)
    record = case.found()
    assert "was exchanged after it was verified" in record["reason"]
