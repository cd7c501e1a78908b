"""What reads bytes of strangers, as functions of bytes: for the quick fuzz test and the long run alike.

Each returns whatever it made of the bytes, raises nothing but :class:`WhitesquareError`, and checks what must hold of
anything that was accepted.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whitesquare._base.strictjson import strict_json
from whitesquare.provenance.predicates import measure_evidence, scan_evidence, train_evidence
from whitesquare.signing.dsse import encode_envelope, read_envelope
from whitesquare.signing.keys import load_public, load_trusted
from whitesquare.signing.statements import encode_statement, parse_statement

WHERE = "a file"


def envelope(data: bytes) -> None:
    found = read_envelope(data, WHERE)
    assert read_envelope(encode_envelope(found).encode(), WHERE) == found


def statement(data: bytes) -> None:
    subjects, kind, predicate = parse_statement(data, WHERE)
    assert parse_statement(encode_statement(subjects, kind, predicate), WHERE) == (subjects, kind, predicate)


def json_text(data: bytes) -> None:
    strict_json(data, WHERE)


def scan(data: bytes) -> None:
    scan_evidence(_object(data), WHERE)


def measured(data: bytes) -> None:
    measure_evidence(_object(data), WHERE)


def training(data: bytes) -> None:
    train_evidence(_object(data), WHERE)


def public_key(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key.pub"
        path.write_bytes(data)
        path.with_suffix(".toml").write_text('role = "data"')
        assert load_trusted(Path(folder)) == (load_public(path),)


def key_settings(data: bytes) -> None:
    """Read what is said of a key; the key itself is good."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "key.pub").write_bytes(KEY)
        (Path(folder) / "key.toml").write_bytes(data)
        load_public(Path(folder) / "key.pub")


def _object(data: bytes) -> dict[str, Any]:
    found = strict_json(data, WHERE)
    return found if isinstance(found, dict) else {"configuration": found, "buildDefinition": found}


KEY = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=
-----END PUBLIC KEY-----
"""
TARGETS: dict[str, Callable[[bytes], None]] = {
    "envelope": envelope,
    "statement": statement,
    "json": json_text,
    "scan": scan,
    "measure": measured,
    "training": training,
    "public-key": public_key,
    "key-settings": key_settings,
}
