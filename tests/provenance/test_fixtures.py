"""What the first release signed verifies, and says the same, for ever.

A failure here is a broken promise to users: mend the code, never the fixtures.
"""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from whitesquare.errors import VerificationError
from whitesquare.jsonio import build
from whitesquare.provenance.evidence import measure_evidence, scan_evidence, train_evidence
from whitesquare.provenance.keys import KEY_TYPES, load_signer, load_trusted
from whitesquare.provenance.statements import read_statement
from whitesquare.provenance.types import DatasetPredicate

from .sign_fixtures import PASSWORD

FOLDER = Path(__file__).parent / "fixtures"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
LATER = datetime(2126, 1, 1, tzinfo=UTC)
NAMES = ("dataset", "scan", "scan-clean", "training", "measure")


def expected(version: str, name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / version / "expected.json").read_text(encoding="utf-8"))[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KEY_TYPES)
@pytest.mark.parametrize("version", VERSIONS)
def test_bundles_and_envelopes_verify(version: str, kind: str, name: str) -> None:
    place, known = FOLDER / version / kind, expected(version, name)
    trusted = load_trusted(place / "keys")
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


@pytest.mark.parametrize("kind", KEY_TYPES)
@pytest.mark.parametrize("version", VERSIONS)
def test_private_keys_of_then_sign_now(version: str, kind: str) -> None:
    keys = FOLDER / version / kind / "keys"
    for key in load_trusted(keys):
        signature = load_signer(str(keys / f"{key.name}.pem"), lambda _: PASSWORD).sign(b"message")
        assert key.matches(b"message", signature)
        assert not key.matches(b"messagf", signature)


@pytest.mark.parametrize("kind", KEY_TYPES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_fixture_with_another_payload_does_not_verify(version: str, kind: str, tmp_path: Path) -> None:
    place, known = FOLDER / version / kind, expected(version, "dataset")
    record = json.loads((place / "dataset.dsse.json").read_text(encoding="utf-8"))
    payload = base64.b64decode(record["payload"])
    record["payload"] = base64.b64encode(payload.replace(b'"version":7', b'"version":8')).decode()
    assert record["payload"] != base64.b64encode(payload).decode()
    (tmp_path / "changed.json").write_text(json.dumps(record))
    with pytest.raises(VerificationError, match="is wrong"):
        read_statement(tmp_path / "changed.json", known["kind"], load_trusted(place / "keys"), LATER)
