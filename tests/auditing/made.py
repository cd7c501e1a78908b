"""A run folder with every kind of evidence an auditor is shown, made without a scan or a training."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from tests.gate.world import DATASET, FULL, NOW, TRIGGER, World, policy, scanned, signer, trusted
from tests.report.scan_sample import result
from whitesquare._base.files import write_text
from whitesquare._base.schema import encode
from whitesquare.auditing.compose import compose
from whitesquare.auditing.evidence import gather
from whitesquare.auditing.types import Dossier, DossierStatement
from whitesquare.deciding.log import DECISIONS, DecisionLog, standings
from whitesquare.deciding.signed import evidence_of, sign_review
from whitesquare.deciding.types import Mark, ReviewHead
from whitesquare.jobs.gate import gate
from whitesquare.learning.estimates import share
from whitesquare.provenance.evidence import (
    REMOVED,
    REMOVED_REPORT,
    REMOVED_TYPE,
    REVIEW,
    AlarmRecord,
    KeptSplit,
    RemovedEvidence,
)
from whitesquare.provenance.types import Source
from whitesquare.records import VictimResult
from whitesquare.report.drill.page import write_drill
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.types import Coverage, ScanResult
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.statements import Subject, write_statement
from whitesquare.signing.times import to_text
from whitesquare.study.drill_clean import summary
from whitesquare.study.drill_rows import row_of
from whitesquare.study.drill_types import BaseLine, CleanRun, DrillFailure, DrillResult, DrillRun, Smallest

MADE = to_text(NOW)
THRESHOLDS = {"chance that clean data raise an alarm of one kind, at most": 0.01, "controls of a proof, at least": 499}


def scan() -> ScanResult:
    whole = result()
    alarms = tuple(replace(one, carriers=12) for one in whole.alarms)
    coverage = (Coverage("SS01", 2, 2, ""), Coverage("TI01", 0, 2, "no model learned enough"))
    return replace(
        whole, digest="d1" * 32, size=60, seed=0, thresholds=THRESHOLDS, alarms=alarms, flagged=whole.flagged[:20],
        coverage=coverage, learned=share("learned", 58, 60), trained="a small network, for 5 epochs",
    )  # fmt: skip


def drilled(digest: str, attacks: Sequence[str] = ("label-flip", "stamp"), clean: int = 60) -> DrillResult:
    rows = []
    for attack in attacks:
        for rate, caught in ((0.01, False), (0.05, True)):
            runs = [
                DrillRun(
                    seed, 100, TRIGGER, ("0",) if caught else (), caught, "confirmed" if caught else "none",
                    97 if caught else 3, 99, 0, 1, share("asr", 900, 1000), share("ca", 960, 1000), 1.5,
                )
                for seed in range(10)
            ]  # fmt: skip
            rows.append(row_of(attack, rate, runs))
    quiet = tuple(CleanRun(seed, 80, "nothing found", (), 0, 0, 1.0) for seed in range(clean))
    return DrillResult(
        source="photos", digest=digest, size=100, target=0, target_name="cat",
        base_line=BaseLine("nothing found", (), 0, 3, "Nothing."), rows=tuple(rows),
        smallest=tuple(Smallest(name, 0.05, 10, f"{name}: caught nine times in ten from 5 % on.") for name in attacks),
        failures=(DrillFailure("blend", 0.1, 1, "too few"),), notices=("No test split.",), seed=0, seconds=1.0,
        versions={"whitesquare": "0.1.0"}, machine={}, conclusion="", clean=summary(quiet, 0) if clean else None,
    )  # fmt: skip


def victim(asr: int, ca: int = 960) -> VictimResult:
    return VictimResult(
        7, "cnn", share("ca", ca, 1000), share("asr", asr, 1000), {}, ((1,),), 1.0, TRIGGER, 0, trained_on="ab"
    )


def marks(number: int = 3) -> list[Mark]:
    return [
        Mark(id=f"train/{i:05}", content=f"{i:064x}", choice="remove" if i % 2 else "keep", by=by, role=role, at=at)
        for i in range(number)
        for by, role, at in (("ann", "data", "2026-05-30T10:00:00Z"), ("ben", "review", "2026-05-30T11:00:00Z"))
    ]


def full_run(run: Path, found: ScanResult | None = None, attacks: Sequence[str] = ("label-flip", "stamp")) -> Path:
    """Write a run folder in which everything is shown."""
    found = found or scan()
    text = scan_json(found)
    digest = sha256(text.encode()).hexdigest()
    alarms = tuple(AlarmRecord("77" * 32, one.rule_id, one.class_name, one.tier, one.carriers) for one in found.alarms)
    made = World(scan=scanned(report=digest, verdict=found.verdict, alarms=alarms))
    sources = (Source("https://example.org/photos.zip", "aa" * 32, "CC0", "2025-01-01"),)
    made = replace(made, dataset=replace(made.dataset, sources=sources))
    made.write(run)
    write_text(run / "scan.json", text)
    write_drill(drilled(found.digest, attacks), run / "drill", signer("carol"))
    for name in ("report.html", "whitesquare.json"):
        (run / "drill" / name).unlink()
    write_text(run / "victim.json", encode(victim(20)))
    write_text(run / "before" / "victim.json", encode(victim(980)))
    write_text(run / "before" / "scan.json", text.replace('"seed": 0', '"seed": 1'))
    write_text(
        run / "removed.json", json.dumps(removed(sha256((run / "before" / "scan.json").read_bytes()).hexdigest()))
    )
    write_removal(run)
    log = DecisionLog(run / DECISIONS, ReviewHead(scan=digest, dataset=found.digest, source=found.source))
    log.append(marks())
    content = sha256((run / DECISIONS).read_bytes()).hexdigest()
    sign_review(run / REVIEW, evidence_of(log.head, standings(marks()), content, NOW), signer("bob"))
    gate(run, policy(FULL), trusted(), signer=signer("gate"), state=run.parent / "state.json", now=NOW)
    return run


def write_removal(run: Path) -> None:
    """Sign the ``removed.json`` of a run, as of a copy that is what was signed later."""
    record = json.loads((run / REMOVED_REPORT).read_text())
    kept = {name: KeptSplit(one.size, one.root) for name, one in DATASET.splits.items()}
    said = RemovedEvidence(
        record["source_digest"], record["scan_digest"], "", record["counts"]["removed"], kept, "0.1.0", MADE
    )
    subject = Subject(REMOVED_REPORT, sha256((run / REMOVED_REPORT).read_bytes()).hexdigest())
    write_statement(run / REMOVED, [subject], REMOVED_TYPE, asdict(said), signer("bob"))


def removed(scan_digest: str) -> dict[str, object]:
    return {
        "format": "whitesquare removed 1", "source": "photos", "source_digest": "ee" * 32, "scan": "scan.json",
        "scan_digest": scan_digest, "tier": None, "top": None, "counts": {"before": 100, "removed": 40, "kept": 60},
        "by_class": {"cat": {"removed": 40, "before": 50}}, "skipped": {}, "removed": [],
    }  # fmt: skip


def told(run: Path, keys: Sequence[TrustedKey] | None = None) -> Dossier:
    """The dossier of a run."""
    return compose(gather(run, trusted() if keys is None else keys, NOW), MADE)


def statement(dossier: Dossier, name: str) -> DossierStatement:
    return next(one for one in dossier.statements if one.id == name)


def record(dossier: Dossier) -> dict[str, object]:
    return asdict(dossier)
