"""A second signature is over what was checked, is added to what others add meanwhile, and may look at the data."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from whitesquare._base.locks import folder_lock
from whitesquare.errors import NothingToDoError, UsageError, VerificationError
from whitesquare.provenance import countersign as module
from whitesquare.provenance.countersign import countersign
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.types import ENVELOPE
from whitesquare.signing.dsse import encode_envelope, read_envelope, sign
from whitesquare.signing.keys import generate, load_signer, load_trusted
from whitesquare.signing.signatures import ANY_ROLE, Signatures
from whitesquare.signing.times import utc_now

from .signed import Signed, make_signed, nobody, run


@pytest.fixture
def case(tmp_path) -> Signed:
    made = make_signed(tmp_path, 8)
    made.trusts("bob")
    return made


def envelope_of(case: Signed) -> Path:
    return case.bundle.with_name(ENVELOPE)


def keyids(path: Path) -> list[str]:
    return [one.keyid for one in read_envelope(path.read_bytes(), "it").signatures]


def swap_after(monkeypatch, path: Path, content: bytes, readings: int) -> None:
    """Exchange a file behind the back of whoever has read it so many times."""
    read, seen = Path.read_bytes, [0]

    def reading(self: Path) -> bytes:
        data = read(self)
        if self == path:
            seen[0] += 1
            if seen[0] == readings:
                path.write_bytes(content)
        return data

    monkeypatch.setattr(Path, "read_bytes", reading)


@pytest.mark.parametrize("beside", [True, False], ids=["bundle", "envelope"])
def test_a_swap_between_check_and_signature_is_not_signed(case, monkeypatch, beside: bool) -> None:
    """Alice has signed another statement, too, and puts it there once Bob's tool has looked at the first."""
    swapped = case.attest("other").with_name(ENVELOPE).read_bytes()
    path, bob = envelope_of(case), case.signer("bob")
    assert read_envelope(swapped, "it").payload != read_envelope(path.read_bytes(), "it").payload
    swap_after(monkeypatch, path, swapped, 1)
    with pytest.raises(VerificationError, match="was exchanged while it was checked"):
        countersign(case.bundle if beside else path, bob, load_trusted(case.trust))
    monkeypatch.undo()
    assert path.read_bytes() == swapped
    assert bob.keyid not in keyids(path)


def test_a_manifest_swapped_while_the_data_are_compared_is_not_signed(case, monkeypatch) -> None:
    path, manifest = envelope_of(case), case.bundle.with_name("manifest.parquet")
    before, compare = path.read_bytes(), module.compare

    def comparing(*arguments):
        found = compare(*arguments)
        manifest.write_bytes(b"other")
        return found

    monkeypatch.setattr(module, "compare", comparing)
    with pytest.raises(VerificationError, match="exchanged after it was verified"):
        countersign(path, case.signer("bob"), load_trusted(case.trust), data=str(case.data))
    assert path.read_bytes() == before


def test_an_attestation_written_meanwhile_is_not_written_over(case, monkeypatch) -> None:
    path, folder = envelope_of(case), case.bundle.parent
    real = module.sign

    def signing(payload, signers):
        case.attest()  # which puts another folder in the place of this one
        return real(payload, signers)

    monkeypatch.setattr(module, "sign", signing)
    with pytest.raises(VerificationError, match="was exchanged"):
        countersign(path, case.signer("bob"), load_trusted(case.trust))
    found = read_dataset(folder / ENVELOPE, load_trusted(case.trust), utc_now())
    assert (found.predicate.dataset.version, len(found.signers)) == (2, 1)


SIGN = """
import sys, time
from pathlib import Path
from whitesquare.provenance.countersign import countersign
from whitesquare.signing.keys import load_signer, load_trusted

bundle, key, trust, here, go = map(Path, sys.argv[1:])
signer, trusted = load_signer(str(key), str), load_trusted(trust)
here.touch()
while not go.exists():
    time.sleep(0.0005)
countersign(bundle, signer, trusted)
"""


@pytest.mark.long
def test_of_all_who_sign_at_once_nobody_s_signature_is_lost(case, tmp_path) -> None:
    names = [f"person{number}" for number in range(6)]
    for name in names:
        generate(case.folder / "private" / name, "ed25519", None, {"role": "review"})
        case.trusts(name)
    go = tmp_path / "go"
    running = []
    for name in names:
        key, here = case.folder / "private" / f"{name}.pem", tmp_path / f"{name}.here"
        command = [sys.executable, "-c", SIGN, case.bundle, key, case.trust, here, go]
        running.append((here, subprocess.Popen(command, stderr=subprocess.PIPE, text=True)))
    deadline = time.monotonic() + 120
    while not all(here.exists() for here, _ in running) and time.monotonic() < deadline:
        time.sleep(0.01)
    go.touch()
    for _, process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    found = read_dataset(envelope_of(case), load_trusted(case.trust), utc_now(), Signatures(total=7))
    assert {key.name for key in found.signers} == {"alice", *names}
    assert {path.name for path in case.bundle.parent.iterdir()} == {
        *("manifest.parquet", "manifest.sigstore.json", ENVELOPE, "whitesquare.json")
    }


def test_a_second_one_waits_and_a_killed_one_holds_nothing(case, tmp_path) -> None:
    """The lock is the folder itself, and ends with its holder."""
    hold = (
        "import sys, time; from pathlib import Path; from whitesquare._base.locks import folder_lock\n"
        "with folder_lock(Path(sys.argv[1])):\n    Path(sys.argv[2]).touch(); time.sleep(600)"
    )
    held = tmp_path / "held"
    holder = subprocess.Popen([sys.executable, "-c", hold, case.bundle.parent, held])
    go, here = tmp_path / "go", tmp_path / "here"
    go.touch()
    key = case.folder / "private" / "bob.pem"
    try:
        while not held.exists():
            assert holder.poll() is None
            time.sleep(0.01)
        waiting = subprocess.Popen([sys.executable, "-c", SIGN, case.bundle, key, case.trust, here, go])
        while not here.exists():
            assert waiting.poll() is None
            time.sleep(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        assert len(keyids(envelope_of(case))) == 1
    finally:
        holder.kill()
        holder.wait()
    assert waiting.wait(60) == 0
    assert len(keyids(envelope_of(case))) == 2
    with folder_lock(case.bundle.parent):
        pass


def test_the_data_are_looked_at_if_that_is_asked(case) -> None:
    key = case.folder / "private" / "bob.pem"
    arguments = ("countersign", case.bundle, "--key", key, "--trust", case.trust)
    changed = min(case.data.rglob("*.png"))
    good, before = changed.read_bytes(), envelope_of(case).read_bytes()
    changed.write_bytes(b"poison")
    done = run(*arguments, "--data", case.data)
    assert done.exit_code == 1
    assert "1 changed" in done.stderr
    assert "Nothing was signed" in done.stderr
    assert run(*arguments, "--data", case.folder / "none").exit_code == 2
    assert envelope_of(case).read_bytes() == before
    changed.write_bytes(good)
    done = run(*arguments, "--data", case.data)
    assert done.exit_code == 0, done.output
    assert "is what the manifest lists" in " ".join(done.stdout.split())
    assert len(keyids(envelope_of(case))) == 2


def test_without_the_data_it_says_so(case) -> None:
    done = run("countersign", case.bundle, "--key", case.folder / "private" / "bob.pem", "--trust", case.trust)
    assert "data themselves were not looked at" in " ".join(done.stdout.split())


def test_a_bundle_beside_it_must_hold_too(case) -> None:
    """Same payload, a signature that is none: it would go with Bob's."""
    text = case.bundle.read_text()
    case.bundle.write_text(text.replace('"sig": "', '"sig": "AAAA'))
    with pytest.raises(VerificationError, match=r"sigstore\.json: the signature by the key 'alice' is wrong"):
        countersign(case.bundle, case.signer("bob"), load_trusted(case.trust))


def test_missing_evidence_and_a_second_signature_by_the_same_key(case) -> None:
    with pytest.raises(UsageError, match="has signed"):
        countersign(case.bundle, case.signer("alice"), load_trusted(case.trust))
    envelope_of(case).unlink()
    with pytest.raises(NothingToDoError, match=ENVELOPE):
        countersign(case.bundle, case.signer("bob"), load_trusted(case.trust))
    with pytest.raises(NothingToDoError, match=ENVELOPE):
        countersign(case.folder / "none" / ENVELOPE, case.signer("bob"), load_trusted(case.trust))


def test_a_signature_that_was_there_and_does_not_hold_is_not_joined(case) -> None:
    envelope = read_envelope(envelope_of(case).read_bytes(), "it")
    eve = load_signer(str(case.folder / "private" / "eve.pem"), nobody)
    envelope_of(case).write_text(encode_envelope(sign(envelope.payload, [case.signer("alice"), eve])))
    with pytest.raises(VerificationError, match="none of the 2 trusted ones"):
        countersign(envelope_of(case), case.signer("bob"), load_trusted(case.trust))


@pytest.mark.parametrize("changed", ["role", "stranger", "expired", "no role"])
def test_a_key_whose_signature_would_spoil_the_file_signs_nothing(case, changed: str) -> None:
    """Roles and times count as the trust folder has them: a signature that does not hold makes the file worthless."""
    about, told = {
        "role": ('role = "trainer"', "'bob' is trusted, but of the role 'trainer'"),
        "stranger": (None, "is none of the 1 trusted ones"),
        "expired": ('role = "review"\nnot_after = "2020-01-01T00:00:00Z"', "'bob' is trusted, but one which expired"),
        "no role": ("", "'bob' is trusted, but of no role"),
    }[changed]
    if about is None:
        (case.trust / "bob.pub").unlink()
    else:
        (case.trust / "bob.toml").write_text(about)
    before = envelope_of(case).read_bytes()
    done = run("countersign", case.bundle, "--key", case.folder / "private" / "bob.pem", "--trust", case.trust)
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert told in said
    assert "sign with a key that is trusted in the role data or review" in said
    assert envelope_of(case).read_bytes() == before
    assert case.verify(bundle=envelope_of(case)).exit_code == 0


def test_the_roles_that_were_asked_for_are_those_that_may_be_added(case) -> None:
    """Who says which roles count is held to it, and a key of any role may join where every role counts."""
    asked = Signatures(roles=("data", "auditor"))
    (case.trust / "bob.toml").write_text('role = "auditor"')
    with pytest.raises(UsageError, match="role data or review"):
        countersign(case.bundle, case.signer("bob"), load_trusted(case.trust))
    trusted = load_trusted(case.trust)
    assert len(countersign(case.bundle, case.signer("bob"), trusted, asked=asked).signatures) == 2
    case.trusts("eve")
    assert len(countersign(case.bundle, case.signer("eve"), load_trusted(case.trust), asked=ANY_ROLE).signatures) == 3
