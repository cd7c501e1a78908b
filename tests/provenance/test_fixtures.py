"""What the first release signed verifies, and says the same, for ever.

A failure here is a broken promise to users: mend the code, never the fixtures.
"""

import base64
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from whitesquare._base.schema import build
from whitesquare.errors import VerificationError
from whitesquare.provenance.predicates import measure_evidence, scan_evidence, train_evidence
from whitesquare.provenance.types import DatasetPredicate
from whitesquare.signing.keys import KEY_TYPES, TrustedKey, load_signer, load_trusted
from whitesquare.signing.statements import read_statement

from .sign_fixtures import PASSWORD

FOLDER = Path(__file__).parent / "fixtures"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
LATER = datetime(2126, 1, 1, tzinfo=UTC)
NAMES = ("dataset", "scan", "scan-clean", "training", "measure")


@pytest.fixture(params=[(version, kind) for version in VERSIONS for kind in KEY_TYPES], ids="-".join)
def place(request: pytest.FixtureRequest) -> Path:
    version, kind = request.param
    return FOLDER / version / kind


@pytest.fixture
def trusted(place: Path, tmp_path: Path) -> tuple[TrustedKey, ...]:
    """The public keys in a folder of their own, each with the file that says its role, which format 1 could lack."""
    for public in (place / "keys").glob("*.pub"):
        shutil.copy(public, tmp_path)
        about = public.with_suffix(".toml")
        text = about.read_text(encoding="utf-8") if about.exists() else 'role = "review"\n'
        (tmp_path / about.name).write_text(text, encoding="utf-8")
    return load_trusted(tmp_path)


def expected(version: str, name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / version / "expected.json").read_text(encoding="utf-8"))[name])


@pytest.mark.parametrize("name", NAMES)
def test_bundles_and_envelopes_verify(place: Path, trusted: tuple[TrustedKey, ...], name: str) -> None:
    known = expected(place.parent.name, name)
    for file, signers in ((f"{name}.sigstore.json", 1), (f"{name}.dsse.json", 3)):
        found = read_statement(place / file, known["kind"], trusted, LATER, signers)
        assert [vars(subject) for subject in found.subjects] == [known["subject"]]
        assert found.predicate == known["predicate"]
        assert [key.name for key in found.signers] == ["alice", "bob", "carol"][:signers]
        assert found.signers[0].role == "data"
        with pytest.raises(VerificationError, match="must sign"):
            read_statement(place / file, known["kind"], trusted, LATER, signers + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_readers_of_today_understand_them(version: str) -> None:
    def predicate(name: str) -> Any:
        return expected(version, name)["predicate"]

    assert build(DatasetPredicate, predicate("dataset"), where="a fixture").dataset.version == 7
    assert [alarm.tier for alarm in scan_evidence(predicate("scan"), "a fixture").alarms] == ["confirmed", "suspicious"]
    assert (predicate("scan")["result"], predicate("scan-clean")["result"]) == ("FAILED", "WARNED")
    assert train_evidence(predicate("training"), "a fixture").manifest == expected(version, "scan")["subject"]["sha256"]
    assert measure_evidence(predicate("measure"), "a fixture").ca.value == 0.98


def test_private_keys_of_then_sign_now(place: Path, trusted: tuple[TrustedKey, ...]) -> None:
    """Carol's is encrypted as format 1 encrypted it, by PBKDF2."""
    for key in trusted:
        signature = load_signer(str(place / "keys" / f"{key.name}.pem"), lambda _: PASSWORD).sign(b"message")
        assert key.matches(b"message", signature)
        assert not key.matches(b"messagf", signature)


def test_a_fixture_with_another_payload_does_not_verify(
    place: Path, trusted: tuple[TrustedKey, ...], tmp_path: Path
) -> None:
    known = expected(place.parent.name, "dataset")
    record = json.loads((place / "dataset.dsse.json").read_text(encoding="utf-8"))
    payload = base64.b64decode(record["payload"])
    record["payload"] = base64.b64encode(payload.replace(b'"version":7', b'"version":8')).decode()
    assert record["payload"] != base64.b64encode(payload).decode()
    (tmp_path / "changed.json").write_text(json.dumps(record))
    with pytest.raises(VerificationError, match="is wrong"):
        read_statement(tmp_path / "changed.json", known["kind"], trusted, LATER)
