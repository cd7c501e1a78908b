"""Signs the fixtures of a format version: ``python -m tests.provenance.sign_fixtures``.

They are signed once, by the first release that writes a format, and stay for ever: what was signed then must verify
with every later release. A folder that exists is therefore never written again; a new format gets a folder of its own.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.inventory.evidence import CONFIRMED, MEASURED, NOW, ROOT, SOURCES, SUSPICIOUS, scan_of, training_on
from whitesquare._base.files import write_text
from whitesquare.provenance.predicates import measure_predicate, scan_predicate, train_predicate
from whitesquare.provenance.types import (
    DATASET_TYPE,
    LEAF,
    MANIFEST,
    TREE,
    Content,
    DatasetPredicate,
    Identity,
    ManifestFile,
    SplitTree,
    Tree,
)
from whitesquare.signing.dsse import encode_bundle, encode_envelope, sign
from whitesquare.signing.keys import KEY_TYPES, Signer, generate, load_signer
from whitesquare.signing.statements import PROVENANCE_TYPE, TEST_RESULT_TYPE, Subject, encode_statement

VERSION = "v2"
FOLDER = Path(__file__).parent / "fixtures"
PEOPLE = {"alice": "data", "bob": "review", "carol": "scanner"}
"""Who signs, and as what."""
PASSWORD = "fixture"
"""Of carol's key; the others are not encrypted. None of them is used for anything else."""

WEIGHTS = b"weights of the fixture"
"""The content of the file of weights that the statements about a model are about."""

DATASET = DatasetPredicate(
    dataset=Identity("fixture", 7, "22" * 32),
    manifest=ManifestFile(MANIFEST, 1234),
    tree=Tree(TREE, LEAF, 5, ROOT),
    splits={"train": SplitTree(4, "cd" * 32, {"cat": 2, "dog": 2})},
    classes=("cat", "dog"),
    content=Content("files", None, False),
    sources=SOURCES,
    signed=NOW,
    expires=None,
    tool="whitesquare 0.1.0",
)
DATA = Subject(MANIFEST, hashlib.sha256(b"manifest of the fixture").hexdigest())
MODEL = Subject("model.safetensors", hashlib.sha256(WEIGHTS).hexdigest())


def statements() -> dict[str, tuple[Subject, str, dict[str, Any]]]:
    """Return, by name, subject, type and predicate of one statement of every kind."""
    return {
        "dataset": (DATA, DATASET_TYPE, asdict(DATASET)),
        "scan": (DATA, TEST_RESULT_TYPE, scan_predicate(scan_of((CONFIRMED, SUSPICIOUS)))),
        "scan-clean": (DATA, TEST_RESULT_TYPE, scan_predicate(scan_of(()))),
        "training": (MODEL, PROVENANCE_TYPE, train_predicate(training_on(DATA.sha256), MANIFEST)),
        "measure": (MODEL, TEST_RESULT_TYPE, measure_predicate(MEASURED)),
    }


def write(folder: Path, signers: Sequence[Signer]) -> None:
    """Write every statement as a bundle by the first signer and an envelope by all, and the predicates beside them."""
    for name, (subject, kind, predicate) in statements().items():
        envelope = sign(encode_statement([subject], kind, predicate), signers)
        write_text(folder / f"{name}.sigstore.json", encode_bundle(envelope))
        write_text(folder / f"{name}.dsse.json", encode_envelope(envelope))


def main() -> None:
    """Write the folder of this version."""
    place = FOLDER / VERSION
    if place.exists():
        sys.exit(f"{place} exists, and fixtures are never signed again; raise VERSION for a new format.")
    for kind in KEY_TYPES:
        for name, role in PEOPLE.items():
            password = PASSWORD if name == "carol" else None
            generate(place / kind / "keys" / name, kind, password, {"role": role})
        paths = [str(place / kind / "keys" / f"{name}.pem") for name in PEOPLE]
        write(place / kind, [load_signer(path, lambda _: PASSWORD) for path in paths])
    expected = {
        name: {"subject": asdict(subject), "kind": kind, "predicate": predicate}
        for name, (subject, kind, predicate) in statements().items()
    }
    write_text(place / "expected.json", json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
