"""Roles outside the gate: who may sign models and scans does not thereby speak for data, at any verb."""

import shutil
from pathlib import Path

import pytest

from whitesquare.errors import UsageError, VerificationError
from whitesquare.provenance.attest import attest
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.countersign import countersign
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.types import BUNDLE, ENVELOPE
from whitesquare.signing.dsse import encode_envelope, read_envelope, sign
from whitesquare.signing.keys import load_signer, load_trusted
from whitesquare.signing.signatures import ANY_ROLE, Signatures, parse_signatures

from .attesting import NOW, Case, attested, key_pair, pictures, run

PEOPLE = {"rita": "review", "dora": "data", "trainer": "trainer", "scanner": "scanner", "nemo": ""}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Case:
    """A data set attested by its owner, and a trust folder with the public keys of everybody, as docs/ci.md has it."""
    folder = tmp_path_factory.mktemp("original")
    case = attested(folder, "png-folder", pictures(12))
    for name, role in PEOPLE.items():
        if not (case.keys / f"{name}.pem").exists():
            key_pair(case.keys / name, role)
        for suffix in (".pub", ".toml"):
            shutil.copy(case.keys / f"{name}{suffix}", case.trust)
    return case


@pytest.fixture
def case(original, tmp_path) -> Case:
    shutil.copytree(original.data.parent, tmp_path / "case")
    return Case(*(tmp_path / "case" / name for name in ("data", "attestation", "trust", "keys")))


def signed_by(case: Case, *names: str) -> Path:
    """Attest the data once more, by these people; returns the envelope with all their signatures."""
    folder = case.data.parent / "-".join(names)
    attest(str(case.data), [load_signer(case.key(name), str) for name in names], folder)
    return folder / ENVELOPE


def verbs(case: Case, envelope: Path, folder: Path) -> dict[str, tuple[object, ...]]:
    """Every verb that believes an attestation, up to where it does."""
    own = ("--trust", case.trust)
    rita = case.key("rita") if "rita" not in envelope.parent.name else case.key("dora")
    return {
        "verify": ("verify", case.data, "--bundle", envelope, *own, "--state", folder / "state.json"),
        "prove": ("prove", "train/cat/00000.png", "--bundle", envelope, *own),
        "countersign": ("countersign", envelope, "--key", rita, *own),
        "train": ("train", case.data, "-o", folder / "model", "--attested", envelope, *own),
        "scan": ("scan", case.data, "--attested", envelope, *own),
        "measure": ("measure", folder, "--data", case.data, "--attested", envelope, *own),
    }


VERBS = ("verify", "prove", "countersign", "train", "scan", "measure")


def said(done) -> str:
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("names", [("trainer",), ("scanner",), ("nemo",), ("owner", "trainer")], ids="-".join)
def test_a_key_of_another_role_speaks_for_no_data(case, tmp_path, verb: str, names: tuple[str, ...]) -> None:
    envelope = signed_by(case, *names)
    before = envelope.read_bytes()
    found = said(run(*verbs(case, envelope, tmp_path)[verb], code=1))
    role = PEOPLE[names[-1]]
    assert f"is signed by the key '{names[-1]}' {f'of the role {role!r}' if role else 'of no role'}" in found
    assert "of the role data or review only" in found
    assert envelope.read_bytes() == before


@pytest.mark.parametrize("verb", VERBS)
def test_trainer_and_scanner_are_no_two_signers(case, tmp_path, verb: str) -> None:
    envelope = signed_by(case, "trainer", "scanner")
    found = said(run(*verbs(case, envelope, tmp_path)[verb], "--threshold", 2, code=1))
    assert "'trainer' of the role 'trainer'" in found


@pytest.mark.parametrize("verb", VERBS)
def test_so_many_of_each_role_are_asked_for(case, tmp_path, verb: str) -> None:
    two_owners, one_reviewed = signed_by(case, "owner", "dora"), signed_by(case, "owner", "rita")
    asked = ("--signatures", "data=1,review=1")
    found = said(run(*verbs(case, two_owners, tmp_path)[verb], *asked, code=1))
    assert "is signed by 0 keys of the role review; 1 must sign" in found
    found = said(run(*verbs(case, one_reviewed, tmp_path)[verb], "--signatures", "data=2", code=1))
    assert "'rita' of the role 'review', and signatures count here by keys of the role data only" in found
    if verb in ("verify", "prove", "countersign"):
        run(*verbs(case, one_reviewed, tmp_path)[verb], *asked)


def test_a_role_that_is_asked_for_counts(case, tmp_path) -> None:
    envelope = signed_by(case, "trainer")
    run(*verbs(case, envelope, tmp_path)["verify"], "--signatures", "trainer=1")


@pytest.mark.parametrize("text", ["", "data", "data=", "=1", "data=0", "data=-1", "data=x", "data=1,data=1", "data=1,",
                                  "data=²", "data=" + "9" * 5000])  # fmt: skip
def test_what_cannot_be_read_asks_for_nothing(text: str) -> None:
    with pytest.raises(UsageError, match=r"write each role once"):
        parse_signatures(text)


def test_what_is_asked_reads_as_it_is_written() -> None:
    assert parse_signatures(None, 3) == Signatures(("data", "review"), 3)
    assert parse_signatures(" data = 1 , review=2 ") == Signatures(("data", "review"), 3, (("data", 1), ("review", 2)))
    assert parse_signatures("data=1", 2).total == 2


def test_who_judges_roles_otherwise_reads_any(case) -> None:
    """As the gate does, whose policy says what each role must have signed."""
    found = read_dataset(signed_by(case, "trainer"), load_trusted(case.trust), NOW, ANY_ROLE)
    assert [key.role for key in found.signers] == ["trainer"]


def test_the_version_before_must_be_the_data_s(case) -> None:
    """A trainer who wrote a version of his own does not decide which is the next."""
    signed_by(case, "trainer")
    folder = case.data.parent / "trainer"
    done = run("attest", case.data, "--key", case.key("owner"), "-o", folder, "--trust", case.trust, code=1)
    assert "'trainer' of the role 'trainer'" in said(done)


def test_nobody_adds_a_signature_that_spoils_the_file(case) -> None:
    before = case.envelope.read_bytes()
    done = run("countersign", case.bundle, "--key", case.key("trainer"), "--trust", case.trust, code=2)
    assert "the file would verify nowhere" in said(done)
    assert case.envelope.read_bytes() == before
    run("countersign", case.bundle, "--key", case.key("rita"), "--trust", case.trust)


def test_what_lies_beside_an_attestation_is_believed_no_more_than_it(case) -> None:
    """Bundle and envelope are both kept with the model, so both must hold."""
    trusted = load_trusted(case.trust)
    envelope = read_envelope(case.envelope.read_bytes(), "it")
    spoiled = sign(envelope.payload, [load_signer(case.key("trainer"), str)])
    case.envelope.write_text(encode_envelope(spoiled))
    with pytest.raises(VerificationError, match=r"dsse\.json is signed by the key 'trainer'"):
        read_attested(case.bundle, trusted, NOW)
    case.envelope.write_text(case.bundle.read_text().replace('"sig": "', '"sig": "AAAA'))
    with pytest.raises(VerificationError, match=r"dsse\.json: the signature by the key 'owner' is wrong"):
        read_attested(case.bundle, trusted, NOW)
    other = read_envelope(signed_by(case, "owner").read_bytes(), "it")
    case.envelope.write_text(encode_envelope(other))
    with pytest.raises(VerificationError, match="states something else"):
        read_attested(case.bundle, trusted, NOW)


def test_an_attestation_is_kept_as_it_was_verified(case, monkeypatch) -> None:
    """Bundle and envelope are exchanged as soon as they were read once; what is kept is what was read."""
    countersign(case.bundle, load_signer(case.key("rita"), str), load_trusted(case.trust))
    good = {name: (case.attestation / name).read_bytes() for name in (BUNDLE, ENVELOPE)}
    read = Path.read_bytes

    def once(path: Path) -> bytes:
        data = read(path)
        if path.name in good:
            path.write_bytes(b"{}")
        return data

    monkeypatch.setattr(Path, "read_bytes", once)
    assert read_attested(case.envelope, load_trusted(case.trust), NOW).statements == good
