"""Folders of evidence as ``attest``, ``train --attested``, ``scan`` and ``measure`` leave them, made by hand."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from whitesquare.provenance.evidence import (
    MEASURE,
    PROVENANCE,
    SCAN,
    AlarmRecord,
    Figure,
    MeasureEvidence,
    ScanEvidence,
    TrainEvidence,
    TriggerFigure,
)
from whitesquare.provenance.predicates import measure_predicate, scan_predicate, train_predicate
from whitesquare.provenance.types import (
    BUNDLE,
    DATASET_TYPE,
    LEAF,
    MANIFEST,
    TREE,
    Content,
    DatasetPredicate,
    Identity,
    ManifestFile,
    Source,
    SplitTree,
    Tree,
)
from whitesquare.signing.keys import generate, load_signer
from whitesquare.signing.statements import PROVENANCE_TYPE, TEST_RESULT_TYPE, Subject, write_statement

NOW = "2026-05-01T00:00:00.000000Z"
ROOT = "ab" * 32
CONFIRMED = AlarmRecord("c0" * 32, "SS01", "cat", "confirmed", 120)
SUSPICIOUS = AlarmRecord("50" * 32, "LS01", "dog", "suspicious", 7)
SOURCES = (
    Source("https://example.org/cats", "11" * 32, "CC-BY-4.0", "2025"),
    Source("our own camera, room 3"),
)


@dataclass(frozen=True)
class Place:
    """A folder of evidence and the keys beside it."""

    folder: Path
    keys: Path


def write_manifest(path: Path, ids: Sequence[str]) -> None:
    """Write a manifest of samples of two classes, and one file that is none."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE m (id VARCHAR, label VARCHAR, split VARCHAR, size BIGINT, sha256 BLOB)")
        for name in ids:
            label, split = (name.split("/")[-2], "train") if "/" in name else ("", "")
            row = [name, label, split, 10, hashlib.sha256(name.encode()).digest()]
            connection.execute("INSERT INTO m VALUES (?, ?, ?, ?, ?)", row)
        connection.execute(f"COPY (SELECT * FROM m ORDER BY id) TO '{path}' (FORMAT parquet)")


def dataset(path: Path, **changes: Any) -> DatasetPredicate:
    return replace(
        DatasetPredicate(
            dataset=Identity("animals", 7, "22" * 32),
            manifest=ManifestFile(MANIFEST, path.stat().st_size),
            tree=Tree(TREE, LEAF, 5, ROOT),
            splits={"train": SplitTree(4, "cd" * 32, {"cat": 2, "dog": 2})},
            classes=("cat", "dog"),
            content=Content("files", None, False),
            sources=SOURCES,
            signed=NOW,
            expires="2027-05-01T00:00:00.000000Z",
            tool="whitesquare 0.1.0",
        ),
        **changes,
    )


def scan_of(alarms: tuple[AlarmRecord, ...]) -> ScanEvidence:
    return ScanEvidence(
        root="cd" * 32,
        size=4,
        split="train",
        verdict=alarms[0].tier if alarms else "nothing found",
        alarms=alarms,
        detectors=("spectral", "square"),
        not_run={"frequency": "too few samples"},
        mode="scan model",
        seed=0,
        version="0.1.0",
        finished=NOW,
        report="",
    )


def training_on(manifest: str) -> TrainEvidence:
    return TrainEvidence(
        manifest=manifest,
        root="cd" * 32,
        size=4,
        split="train",
        recipe={"model": "small-cnn", "epochs": 3, "learning_rate": 0.01, "augment": None},
        seed=7,
        code="33" * 32,
        decoder="Pillow 13.0.0",
        versions={"torch": "2.13.0"},
        started=NOW,
        finished=NOW,
    )


MEASURED = MeasureEvidence(
    ca=Figure(0.98, 0.97, 0.99, 1000),
    asr=(TriggerFigure("patch:size=2,corner=br,margin=1", 0, Figure(0.01, 0.0, 0.02, 900)),),
    test_root="",
    version="0.1.0",
    finished=NOW,
)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_place(
    folder: Path,
    *,
    ids: Sequence[str] = ("train/cat/1.png", "train/cat/2.JPG", "train/dog/3.png", "train/dog/4.png", "notes.txt"),
    alarms: tuple[AlarmRecord, ...] | None = (CONFIRMED, SUSPICIOUS),
    model: bool = True,
    contents: bytes = b"weights",
    key_type: str = "ecdsa-p256",
    **changes: Any,
) -> Place:
    """Write a folder; ``changes`` are of the signed predicate, ``alarms=None`` leaves the scan out."""
    keys = folder / "keys"
    for name, role in (("alice", "data"), ("scanner", "scanner"), ("trainer", "trainer")):
        generate(keys / name, key_type, None, {"role": role})
    signers = {name: load_signer(str(keys / f"{name}.pem"), str) for name in ("alice", "scanner", "trainer")}
    (folder / "private").mkdir()
    for private in keys.glob("*.pem"):  # nobody trusts a folder that holds one
        private.rename(folder / "private" / private.name)
    place = folder / "run"
    place.mkdir()
    manifest = place / MANIFEST
    write_manifest(manifest, ids)
    about = [Subject(MANIFEST, sha256(manifest))]
    write_statement(place / BUNDLE, about, DATASET_TYPE, asdict(dataset(manifest, **changes)), signers["alice"])
    if alarms is not None:
        found = scan_predicate(scan_of(alarms))
        write_statement(place / SCAN, about, TEST_RESULT_TYPE, found, signers["scanner"])
    if model:
        weights = place / "model.safetensors"
        weights.write_bytes(contents)
        subject = [Subject("model.safetensors", sha256(weights))]
        made = train_predicate(training_on(sha256(manifest)), MANIFEST)
        write_statement(place / PROVENANCE, subject, PROVENANCE_TYPE, made, signers["trainer"])
        write_statement(place / MEASURE, subject, TEST_RESULT_TYPE, measure_predicate(MEASURED), signers["trainer"])
    return Place(place, keys)
