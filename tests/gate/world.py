"""A small world: keys with roles, a run folder with all its evidence, and ways to spoil one thing at a time."""

import atexit
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from whitesquare._base.files import write_text
from whitesquare.deciding.findings import SCAN_FORMAT
from whitesquare.deciding.signed import DECISIONS_TYPE, ReviewEvidence, evidence_of, review_predicate
from whitesquare.deciding.types import Mark, ReviewHead, Standing
from whitesquare.gating.collect import collect
from whitesquare.gating.policy import parse_policy
from whitesquare.gating.rules import decide
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import RuleResult, RunEvidence, Verdict
from whitesquare.gating.waivers import fingerprint
from whitesquare.provenance.evidence import (
    MEASURE,
    PROVENANCE,
    REVIEW,
    SCAN,
    SCAN_REPORT,
    AlarmRecord,
    CoverageRecord,
    Figure,
    MeasureEvidence,
    ScanEvidence,
    SourceFigure,
    TrainEvidence,
    TriggerFigure,
    UntargetedFigure,
)
from whitesquare.provenance.manifest import Block, manifest_writer
from whitesquare.provenance.predicates import measure_predicate, scan_predicate, train_predicate
from whitesquare.provenance.types import (
    BUNDLE,
    DATASET_TYPE,
    ENVELOPE,
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
from whitesquare.records import VICTIM
from whitesquare.signing.dsse import encode_bundle, encode_envelope, sign
from whitesquare.signing.keys import Signer, TrustedKey, generate, load_signer, load_trusted
from whitesquare.signing.statements import (
    PROVENANCE_TYPE,
    TEST_RESULT_TYPE,
    Subject,
    encode_statement,
    write_statement,
)
from whitesquare.signing.times import to_text

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEIGHTS = b"weights"
ROOT, TEST_ROOT = "ab" * 32, "cd" * 32
TRIGGER = "patch:size=2,corner=br,margin=1,x=0,y=0,value=255,opacity=1.0"
ROLES = {"alice": "data", "bob": "review", "carol": "scanner", "dave": "trainer", "gate": "gate"}


@cache
def _scratch() -> Path:
    folder = Path(mkdtemp(prefix="whitesquare-gate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def new_folder() -> Path:
    """An empty folder that goes when the tests end."""
    return Path(mkdtemp(dir=_scratch()))


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def manifest(salt: str = "") -> bytes:
    """A manifest of sixty samples to train on and ten to test on."""
    path = new_folder() / MANIFEST
    with manifest_writer(path) as writer:
        samples = range(70)
        writer.add(
            Block(
                ids=[f"{i:03}" for i in samples],
                labels=[str(i % 2) for i in samples],
                splits=["train" if i < 60 else "test" for i in samples],
                sizes=[1 for _ in samples],
                digests=b"".join(sha256(f"{salt}{i}".encode()).digest() for i in samples),
            )
        )
    return path.read_bytes()


ROWS = manifest()

FULL = f"""
[keys]
trust = "keys/"
[data]
signatures = {{ data = 1, review = 1 }}
dataset = "digits"
min_version = 3
manifest = "{digest(ROWS)}"
[scan]
require_detectors = ["spectral-signatures"]
require_rules = ["SS01"]
allow_detectors = ["spectral-signatures", "strip"]
seed = 0
versions = ["0.1.0"]
[review]
signatures = {{ review = 1 }}
roles = ["review"]
max_age_days = 30
[training]
code = ["{"ef" * 32}"]
[measure]
min_clean_accuracy = 0.95
max_attack_success = 0.10
max_source_success = 0.10
max_untargeted_success = 0.10
triggers = ["{TRIGGER}"]
min_images = 1000
attested_test = true
max_age_days = 90
"""
"""A policy under which every rule there is applies."""


UNREVIEWED = FULL[: FULL.index("[review]")] + FULL[FULL.index("[training]") :]
"""The same without what people must have decided."""


def at(**ago: float) -> str:
    """A time so long before NOW."""
    return to_text(NOW - timedelta(**ago))


def policy(text: str = FULL, folder: Path = Path()) -> Policy:
    return parse_policy(text.encode(), folder / "policy.toml")


@cache
def keyring() -> Path:
    """A folder of keys, made once: NAME.pem and, in ``trusted/``, what the gate trusts."""
    folder = new_folder()
    for name, role in ROLES.items():
        generate(folder / name, "ed25519", None, {"role": role})
    generate(folder / "mallory", "ed25519", None, {"role": "scanner"})
    trusted = folder / "trusted"
    trusted.mkdir()
    for name in ROLES:
        for suffix in (".pub", ".toml"):
            (trusted / f"{name}{suffix}").write_bytes((folder / f"{name}{suffix}").read_bytes())
    return folder


def signer(name: str) -> Signer:
    return load_signer(str(keyring() / f"{name}.pem"), lambda _: "")


@cache
def trusted() -> tuple[TrustedKey, ...]:
    return load_trusted(keyring() / "trusted")


def key(name: str) -> TrustedKey:
    return next(one for one in trusted() if one.name == name)


DATASET = DatasetPredicate(
    dataset=Identity("digits", 3, None),
    manifest=ManifestFile(MANIFEST, len(ROWS)),
    tree=Tree(TREE, LEAF, 70, "12" * 32),
    splits={"train": SplitTree(60, ROOT, {"0": 30, "1": 30}), "test": SplitTree(10, TEST_ROOT, {"0": 5, "1": 5})},
    classes=("0", "1"),
    content=Content("files", None, positional=False),
    sources=(),
    signed=at(days=20),
    expires=to_text(NOW + timedelta(days=300)),
    tool="whitesquare 0.1.0",
)
ALARM = AlarmRecord("77" * 32, "SS01", "seven", "suspicious", 12)
ALARM_KEY = fingerprint("scan-alarms", (ALARM.fingerprint, ALARM.tier, ROOT, ""))
"""What waives it."""
SCAN_SAID = ScanEvidence(
    root=ROOT,
    size=60,
    split="train",
    verdict="nothing found",
    alarms=(),
    detectors=("spectral-signatures", "strip"),
    not_run={},
    mode="scan model",
    seed=0,
    version="0.1.0",
    finished=at(days=2),
    report="",
    format=3,
    learned=Figure(0.97, 0.96, 0.98, 2000),
    coverage=(CoverageRecord("SS01", 2, 2), CoverageRecord("PX01", 1, 2)),
)
TRAINED = TrainEvidence(
    manifest=digest(ROWS),
    root=ROOT,
    size=60,
    split="train",
    recipe={"epochs": 2},
    seed=0,
    code="ef" * 32,
    decoder="none",
    versions={"torch": "2"},
    started=at(days=3),
    finished=at(days=3),
)
MEASURED = MeasureEvidence(
    ca=Figure(0.98, 0.975, 0.985, 10_000),
    asr=tuple(TriggerFigure(TRIGGER, target, Figure(0.01, 0.005, 0.02, 9_000)) for target in (0, 1)),
    test_root=TEST_ROOT,
    version="0.1.0",
    finished=at(days=1),
    format=2,
    classes=("0", "1"),
    sources=tuple(SourceFigure(TRIGGER, target, 1 - target, Figure(0.01, 0.005, 0.02, 900)) for target in (0, 1)),
    untargeted=(UntargetedFigure(TRIGGER, Figure(0.01, 0.005, 0.02, 9_900)),),
)
CARD = b'{"classes": 2}'


def scan_file(tiers: dict[str, str], dataset: str = "5c" * 32) -> bytes:
    """A scan.json that flags samples."""
    flagged = [
        {"id": name, "label": int(name) % 2, "tier": tier, "rule_id": "SS01", "fused": 0.5}
        for name, tier in tiers.items()
    ]
    said = {"format": SCAN_FORMAT, "source": "digits", "digest": dataset, "size": 60, "verdict": "nothing found"}
    return json.dumps(said | {"skipped": {}, "flagged": flagged}).encode()


def said(choice: str, *people: str, at: str = at(days=1), label: str = "", role: str = "review") -> dict[str, Any]:
    """What people say of one sample, by what they are called."""
    return {name: {"choice": choice, "role": role, "at": at, "label": label} for name in people}


def reviewed(
    decisions: dict[str, dict[str, Any]],
    report: bytes,
    dataset: str = "5c" * 32,
    contents: dict[str, str] | None = None,
) -> ReviewEvidence:
    """What people decided about the samples of a scan.json, each with the content that the manifest has."""
    standings = {}
    for name, people in decisions.items():
        content = (contents or {}).get(name, digest(str(int(name)).encode()))
        marks = {by: Mark(id=name, content=content, by=by, **one) for by, one in people.items()}
        standings[name] = Standing(name, content, marks)
    head = ReviewHead(scan=digest(report), dataset=dataset, source="digits")
    return evidence_of(head, standings, "4f" * 32, NOW)


REPORT = scan_file({"003": "suspicious", "005": "suspicious", "007": "review"})
"""Two samples behind an alarm that counts little, and one in the queue."""
DECIDED = {"003": said("keep", "bob"), "005": said("keep", "bob")}
REVIEWED = reviewed(DECIDED, REPORT)
SCAN_SAID = replace(SCAN_SAID, report=digest(REPORT))


@dataclass(frozen=True)
class World:
    """What stands in a run folder, and who signed it."""

    weights: bytes = WEIGHTS
    rows: bytes = ROWS
    dataset: DatasetPredicate = DATASET
    data_by: tuple[str, ...] = ("alice", "bob")
    scan: ScanEvidence = SCAN_SAID
    scan_of: str = digest(ROWS)
    scan_by: str = "carol"
    training: TrainEvidence = TRAINED
    training_of: str = digest(WEIGHTS)
    training_by: str = "dave"
    measure: MeasureEvidence = MEASURED
    measure_of: str = digest(WEIGHTS)
    measure_by: str = "carol"
    review: ReviewEvidence = REVIEWED
    review_of: str = digest(REPORT)
    review_by: tuple[str, ...] = ("bob",)
    report: bytes = REPORT
    card: bytes = CARD
    card_signed: bool = True

    def write(self, run: Path) -> Path:
        """Write the folder."""
        run.mkdir(parents=True, exist_ok=True)
        (run / "model.safetensors").write_bytes(self.weights)
        (run / "model.json").write_bytes(self.card)
        (run / "victim.json").write_bytes(b"{}")
        (run / SCAN_REPORT).write_bytes(self.report)
        (run / MANIFEST).write_bytes(self.rows)
        self.write_manifest(run, [signer(name) for name in self.data_by])
        write_statement(
            run / SCAN, [Subject(MANIFEST, self.scan_of)], TEST_RESULT_TYPE, scan_predicate(self.scan),
            signer(self.scan_by),
        )  # fmt: skip
        self.write_review(run)
        write_statement(
            run / PROVENANCE, self.subjects(self.training_of), PROVENANCE_TYPE,
            train_predicate(self.training, MANIFEST), signer(self.training_by),
        )  # fmt: skip
        write_statement(
            run / MEASURE, self.subjects(self.measure_of, VICTIM), TEST_RESULT_TYPE,
            measure_predicate(self.measure), signer(self.measure_by),
        )  # fmt: skip
        return run

    def subjects(self, weights: str, *more: str) -> list[Subject]:
        """What a statement about the model is about: weights, card, and what else is named."""
        beside = [Subject("model.json", digest(self.card)), *(Subject(name, digest(b"{}")) for name in more)]
        return [Subject("model.safetensors", weights), *(beside if self.card_signed else ())]

    def write_review(self, run: Path) -> None:
        """Write what people decided, with all signatures."""
        subjects = [Subject(SCAN_REPORT, self.review_of)]
        payload = encode_statement(subjects, DECISIONS_TYPE, review_predicate(self.review))
        write_text(run / REVIEW, encode_envelope(sign(payload, [signer(name) for name in self.review_by])))

    def write_manifest(self, run: Path, signers: Sequence[Signer]) -> None:
        """Write envelope and bundle."""
        payload = encode_statement([Subject(MANIFEST, digest(self.rows))], DATASET_TYPE, asdict(self.dataset))
        envelope = sign(payload, signers)
        write_text(run / ENVELOPE, encode_envelope(envelope))
        write_text(run / BUNDLE, encode_bundle(envelope))


@cache
def good() -> RunEvidence:
    """The evidence of an untouched world."""
    return gather(World().write(new_folder()))


def gather(run: Path, now: datetime = NOW) -> RunEvidence:
    return collect(run, trusted(), now)


def verdict_of(run: Path, text: str = FULL, now: datetime = NOW) -> Verdict:
    return decide(policy(text), gather(run, now), now)


def rule(verdict: Verdict, name: str) -> RuleResult:
    return next(one for one in verdict.rules if one.rule == name)


def statuses(verdict: Verdict) -> dict[str, str]:
    return {one.rule: one.status for one in verdict.rules}


def edited(path: Path, change: Any) -> None:
    """Parse a JSON file, change it in place, write it back."""
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def scanned(**changes: Any) -> ScanEvidence:
    return replace(SCAN_SAID, **changes)
