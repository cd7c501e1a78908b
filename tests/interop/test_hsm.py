"""A bundle signed by a hardware module (SoftHSM over PKCS #11): the private key never leaves it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import whitesquare
from whitesquare.errors import UsageError
from whitesquare.signing.keys import generate, load_public, load_signer
from whitesquare.signing.statements import Subject, read_statement, write_statement
from whitesquare.signing.times import utc_now

from .conftest import missing

SCRIPT = Path(__file__).with_name("hsm.py")
LABEL, PIN = "whitesquare test", "1234"
URI = "hsm:2?label=whitesquare+test"
LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so", "/usr/lib64/pkcs11/libsofthsm2.so")


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, foreign_python: Path) -> tuple[Path, dict[str, str], Path]:
    """A Python that reaches the token, its environment, and the public key of the pair on the token."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        missing("SoftHSM (the package softhsm2)")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    env = os.environ | {
        "SOFTHSM2_CONF": str(folder / "softhsm2.conf"),
        "PYKCS11LIB": str(library),
        "PYTHONPATH": str(Path(whitesquare.__file__).parents[1]),
        "WHITESQUARE_KEY_PASSWORD": PIN,
    }
    init = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", PIN, "--pin", PIN]
    subprocess.run(init, env=env, check=True, capture_output=True)
    made = subprocess.run([foreign_python, SCRIPT, "make", LABEL, PIN], env=env, capture_output=True, check=True)
    (folder / "module.pub").write_bytes(made.stdout)
    (folder / "module.toml").write_text('role = "data"\n')
    return foreign_python, env, folder / "module.pub"


def sign(token: tuple[Path, dict[str, str], Path], uri: str, output: Path, pin: str = PIN) -> str:
    python, env, _ = token
    command = [python, SCRIPT, "sign", uri, output]
    done = subprocess.run(command, env=env | {"WHITESQUARE_KEY_PASSWORD": pin}, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.interop
def test_a_hardware_module_signs_and_we_verify(token: tuple[Path, dict[str, str], Path], tmp_path: Path) -> None:
    bundle, public = tmp_path / "bundle.json", token[2]
    assert sign(token, f"{URI}#{public}", bundle) == ""
    statement = read_statement(bundle, "https://example.org/kind", [load_public(public)], utc_now())
    assert [key.name for key in statement.signers] == ["module"]


@pytest.mark.interop
def test_a_wrong_pin_token_or_key_is_told_and_nothing_is_written(
    token: tuple[Path, dict[str, str], Path], tmp_path: Path
) -> None:
    bundle, public = tmp_path / "bundle.json", token[2]
    generate(tmp_path / "other", "ecdsa-p256", None)
    assert "UsageError: Nothing can sign with" in sign(token, f"{URI}#{public}", bundle, pin="9999")
    assert "UsageError: Nothing can sign with" in sign(token, f"hsm:2?label=nobody#{public}", bundle)
    assert "does not sign with the key 'other'" in sign(token, f"{URI}#{tmp_path / 'other.pub'}", bundle)
    assert not bundle.exists()


def test_a_signer_of_securesystemslib_signs_by_its_uri(tmp_path: Path) -> None:
    """The way to a hardware module or key service, with the one such signer that needs neither."""
    for name in ("alice", "bob"):
        generate(tmp_path / name, "ed25519", None)
    signer = load_signer(f"file2:{tmp_path / 'alice.pem'}#{tmp_path / 'alice.pub'}", str)
    bundle = tmp_path / "bundle.json"
    write_statement(bundle, [Subject("file", "ab" * 32)], "https://example.org/kind", {}, signer)
    trusted = [load_public(tmp_path / "alice.pub")]
    assert read_statement(bundle, "https://example.org/kind", trusted, utc_now()).signers == tuple(trusted)
    for uri in (f"file2:{tmp_path / 'none.pem'}#{tmp_path / 'alice.pub'}", f"nonesuch:1#{tmp_path / 'alice.pub'}",
                f"hsm:2#{tmp_path / 'alice.pub'}", "hsm:2"):  # fmt: skip
        with pytest.raises(UsageError, match=r"can sign with|add its public key"):
            load_signer(uri, str)
    with pytest.raises(UsageError, match=r"does not sign with the key 'bob'|Nothing can sign"):
        load_signer(f"file2:{tmp_path / 'alice.pem'}#{tmp_path / 'bob.pub'}", str).sign(b"")
