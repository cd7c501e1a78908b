"""Keys as files: what is trusted must say what for, what is secret must stay so, and either is refused or warned of."""

import base64
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from whitesquare.errors import UsageError, VerificationError
from whitesquare.signing.dsse import Envelope, Signature, sign, verify
from whitesquare.signing.keys import KEY_TYPES, generate, load_public, load_signer, load_trusted

from .signed import Signed, make_signed, nobody, run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group, of FIPS 186-4."""
SCRYPT = bytes.fromhex("06092b06010401da47040b")
"""Its object identifier in DER, of RFC 7914."""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The public half of a key, with the file that says its role."""
    generate(tmp_path / "alice", "ed25519", None)
    trust = tmp_path / "trust"
    trust.mkdir()
    for suffix in (".pub", ".toml"):
        shutil.move(tmp_path / f"alice{suffix}", trust)
    return trust / "alice.pub"


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Signed:
    return make_signed(tmp_path_factory.mktemp("original"), 6)


@pytest.fixture
def case(original, tmp_path) -> Signed:
    shutil.copytree(original.folder, tmp_path / "case")
    return Signed(tmp_path / "case")


# ---- what is known of a key


def test_a_key_without_its_role_is_refused_wherever_it_is_trusted(key: Path) -> None:
    key.with_suffix(".toml").unlink()
    for place in (key, key.parent):
        with pytest.raises(UsageError, match=r"has no alice\.toml beside it.*echo 'role = \"data\"' > "):
            load_trusted(place)


def test_a_file_of_another_case_is_not_taken_for_none(key: Path) -> None:
    """It says when the key expires, and nobody would read it."""
    key.with_suffix(".toml").rename(key.with_name("alice.TOML"))
    with pytest.raises(UsageError, match=r"alice\.TOML is not read: it must be called alice\.toml"):
        load_trusted(key.parent)


def test_a_file_that_leads_nowhere_or_is_none(key: Path) -> None:
    about = key.with_suffix(".toml")
    about.unlink()
    about.symlink_to("gone.toml")
    with pytest.raises(UsageError, match=r"symbolic link to 'gone\.toml', which is not there"):
        load_trusted(key.parent)
    about.unlink()
    about.mkdir()
    with pytest.raises(UsageError, match="no plain file"):
        load_trusted(key)
    about.rmdir()
    about.write_bytes(b"#" * 70_000)
    with pytest.raises(UsageError, match="has 70000 bytes"):
        load_trusted(key.parent)


def test_a_link_to_a_file_that_is_there_is_read(key: Path, tmp_path: Path) -> None:
    """As a cluster mounts its secrets."""
    (tmp_path / "kept").write_text('role = "review"')
    key.with_suffix(".toml").unlink()
    key.with_suffix(".toml").symlink_to(tmp_path / "kept")
    assert load_public(key).role == "review"


@pytest.mark.parametrize("role", ["data", 'x"\nnot_after = "1999-01-01', "späte Prüfung"])
def test_a_role_reads_back_as_it_was_given(tmp_path: Path, role: str) -> None:
    made = generate(tmp_path / "k", "ed25519", None, {"role": role})
    assert (made.role, made.not_after) == (role, None)


def test_keygen_makes_a_key_that_can_be_trusted_and_says_how(tmp_path: Path) -> None:
    done = run("keygen", "-o", tmp_path / "alice", "--no-password", "--expires", "9999-01-01")
    assert done.exit_code == 0
    assert load_public(tmp_path / "alice.pub").role == "data"
    command = done.stdout[done.stdout.index("mkdir") :]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    (found,) = load_trusted(tmp_path / "trusted")
    assert (found.name, found.role, found.not_after.year) == ("alice", "data", 9999)


# ---- the file of a public key


def other_pem(tmp_path: Path) -> bytes:
    generate(tmp_path / "other", "ecdsa-p256", None)
    return (tmp_path / "other.pub").read_bytes()


def test_a_file_with_two_keys_or_with_anything_beside_one(key: Path, tmp_path: Path) -> None:
    """Of two keys one would be taken, and a reader sees the other."""
    good, other = key.read_bytes(), other_pem(tmp_path)
    for content in (
        good + other,
        other + good,
        good + b"trust me\n",
        b"trust me\n" + good,
        good + b"\0",
        good[:-20],
        b"",
    ):
        key.write_bytes(content)
        for place in (key, key.parent):
            with pytest.raises(UsageError, match="expected one key and nothing else"):
                load_trusted(place)
    for content in (b"\n" + good + b"\n\n", good.replace(b"\n", b"\r\n")):
        key.write_bytes(content)
        assert load_trusted(key.parent)


@pytest.mark.parametrize("name", ["alice.pem", "alice.key", "ALICE.PEM", "notes"])
@pytest.mark.parametrize("password", [None, "secret"])
def test_a_private_key_in_the_trust_folder(key: Path, tmp_path: Path, name: str, password: str | None) -> None:
    generate(tmp_path / "own", "ecdsa-p256", password)
    shutil.copy(tmp_path / "own.pem", key.parent / name)
    with pytest.raises(UsageError, match=f"holds the private key {name}.*move {name} elsewhere"):
        load_trusted(key.parent)
    assert load_trusted(key)[0].name == "alice"


@pytest.mark.parametrize("name", ["notes.txt", "bob.pub", "carol.pem"])
def test_a_private_key_behind_padding(key: Path, tmp_path: Path, name: str) -> None:
    """Nobody reads so far, so no file there may be so long; one byte less is looked at whole."""
    generate(tmp_path / "own", "ecdsa-p256", None)
    secret, path = (tmp_path / "own.pem").read_bytes(), key.with_name(name)
    path.write_bytes(b"\n" * (2**16 + 1 - len(secret)) + secret)
    for place in (key.parent, path):
        with pytest.raises(UsageError, match=f"{name} has 65537 bytes.*would go unseen.*move it elsewhere"):
            load_trusted(place)
    path.write_bytes(b"\n" * (2**16 - len(secret)) + secret)
    with pytest.raises(UsageError, match=f"holds the private key {name}"):
        load_trusted(key.parent)


def test_a_public_key_with_something_behind_its_padding(key: Path) -> None:
    key.write_bytes(key.read_bytes() + b"\n" * 2**16 + b"trust me")
    for place in (key.parent, key):
        with pytest.raises(UsageError, match="would go unseen"):
            load_trusted(place)


def test_a_folder_in_the_trust_folder(key: Path, tmp_path: Path) -> None:
    """A private key could lie in it; a link to a folder is none the better."""
    generate(tmp_path / "private" / "own", "ecdsa-p256", None)
    (key.parent / "old").symlink_to(tmp_path / "private")
    for _ in range(2):
        with pytest.raises(UsageError, match=r"holds the folder old, in which .* move it elsewhere"):
            load_trusted(key.parent)
        if (key.parent / "old").is_symlink():
            (key.parent / "old").unlink()
            (key.parent / "old").mkdir()
    assert load_trusted(key)[0].name == "alice"


def test_a_private_key_given_as_the_public_one(case: Signed) -> None:
    private = case.folder / "private" / "alice.pem"
    done = run("verify", case.data, "--bundle", case.bundle, "--trust", private)
    assert done.exit_code == 2
    assert "holds a private key" in done.stderr


def test_keygen_into_the_trust_folder_is_refused_with_the_way_out(case: Signed) -> None:
    run("keygen", "-o", case.trust / "carol", "--no-password")
    done = case.verify(code=2)
    assert "move carol.pem elsewhere" in " ".join(done.stderr.split())
    (case.trust / "carol.pem").unlink()
    case.verify(code=0)


# ---- the file of a private key


@pytest.mark.long
@pytest.mark.parametrize("kind", KEY_TYPES)
def test_a_password_is_stretched_by_scrypt(tmp_path: Path, kind: str) -> None:
    generate(tmp_path / "k", kind, "correct horse")
    text = (tmp_path / "k.pem").read_text()
    sealed = base64.b64decode("".join(text.splitlines()[1:-1]))
    assert text.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert SCRYPT in sealed
    assert bytes.fromhex("02024000020108020105") in sealed, "N = 16384, r = 8, p = 5"
    signer = load_signer(str(tmp_path / "k.pem"), lambda _: "correct horse")
    assert load_public(tmp_path / "k.pub").matches(b"x", signer.sign(b"x"))
    for wrong in ("", "correct horsf"):
        with pytest.raises(UsageError, match="does not open"):
            load_signer(str(tmp_path / "k.pem"), lambda _, wrong=wrong: wrong)
    generate(tmp_path / "again", kind, "correct horse")
    assert sealed[30:60] not in base64.b64decode("".join((tmp_path / "again.pem").read_text().splitlines()[1:-1]))


def test_openssl_opens_it_too(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command")
    generate(tmp_path / "k", "ecdsa-p256", "correct horse")
    command = ["openssl", "pkey", "-in", tmp_path / "k.pem", "-passin", "pass:correct horse", "-pubout"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == (tmp_path / "k.pub").read_bytes()


@pytest.mark.parametrize(("mode", "said"), [(0o600, ""), (0o400, ""), (0o640, "read"), (0o622, "write"),
                                            (0o666, "read and write")])  # fmt: skip
def test_a_private_key_that_others_can_use_is_said(case: Signed, mode: int, said: str) -> None:
    private = case.folder / "private" / "bob.pem"
    private.chmod(mode)
    case.trusts("bob")
    done = run("countersign", case.bundle, "--key", private, "--trust", case.trust)
    assert done.exit_code == 0, done.output
    warned = " ".join(done.stderr.split())
    assert ("Warning" in warned) == bool(said)
    assert not said or f"Other users of this machine can {said} the private key" in warned
    assert "Warning" not in done.stdout


def test_a_trust_folder_that_everybody_can_write_to_is_said(case: Signed) -> None:
    assert "Warning" not in case.verify(code=0).stderr
    for path in (case.trust, case.trust / "alice.pub", case.trust / "alice.toml"):
        mode = path.stat().st_mode
        path.chmod(mode | 0o002)
        for place in {case.trust, case.trust / "alice.pub"} - (
            {case.trust / "alice.pub"} if path == case.trust else set()
        ):
            done = run("verify", case.data, "--bundle", case.bundle, "--trust", place, "--state", case.state)
            assert done.exit_code == 0
            assert f"Every user of this machine can write to {path}" in " ".join(done.stderr.split()).replace("- ", "-")
        path.chmod(mode)
    os.chmod(case.trust, 0o775)  # noqa: PTH101 - a group is somebody's choice
    assert "Warning" not in case.verify(code=0).stderr


# ---- the two forms of an ECDSA signature


def twin(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, P256 - s)


def test_we_sign_in_one_form_and_take_the_other_for_the_same(tmp_path: Path) -> None:
    key = generate(tmp_path / "k", "ecdsa-p256", None)
    signer = load_signer(str(tmp_path / "k.pem"), nobody)
    for number in range(50):
        signature = signer.sign(b"%d" % number)
        assert decode_dss_signature(signature)[1] <= P256 // 2
        assert key.matches(b"%d" % number, signature)
    envelope = sign(b"payload", [signer])
    (first,) = envelope.signatures
    other = replace(first, sig=twin(first.sig))
    assert verify(Envelope(b"payload", (other,)), [key], NOW, "a file") == (key,)
    with pytest.raises(VerificationError, match="two signatures by the key 'k'"):
        verify(Envelope(b"payload", (first, other)), [key], NOW, "a file", 2)
    with pytest.raises(VerificationError, match="is wrong"):
        verify(Envelope(b"payloae", (other,)), [key], NOW, "a file")
    with pytest.raises(VerificationError, match="is wrong"):
        verify(Envelope(b"payload", (Signature(first.keyid, first.sig[:-1] + b"\0"),)), [key], NOW, "a file")


def test_a_signer_elsewhere_signs_in_one_form(tmp_path: Path) -> None:
    generate(tmp_path / "k", "ecdsa-p256", None)
    signer = load_signer(f"file2:{tmp_path / 'k.pem'}#{tmp_path / 'k.pub'}", nobody)
    (tmp_path / "k.toml").unlink()
    signer = load_signer(f"file2:{tmp_path / 'k.pem'}#{tmp_path / 'k.pub'}", nobody)
    assert all(decode_dss_signature(signer.sign(b"%d" % number))[1] <= P256 // 2 for number in range(50))
