"""Statements about the scan: with what it looked, at how much, by which bounds, and what it found."""

from whitesquare.auditing.evidence import AuditEvidence
from whitesquare.auditing.reads import ScanRead
from whitesquare.auditing.types import DossierStatement
from whitesquare.auditing.words import Speaker, estimate, harmless, listed, named, of, plural
from whitesquare.provenance.evidence import SCAN, SCAN_REPORT, ScanEvidence
from whitesquare.records import TIERS

_SCAN = "whitesquare scan DATA -o json=RUN/scan.json"
_SIGNED = (
    "whitesquare scan DATA --attested RUN/manifest.dsse.json --trust KEYS --key KEY -o json=RUN/scan.json "
    "-o attestation=RUN/scan.sigstore.json"
)


def say_looked(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what was looked for, with what, and at how much of the data."""
    speaker, scan = Speaker(evidence, "looked"), evidence.scan.said
    told = [_complete(speaker, evidence)]
    if scan is None:
        whats = {
            "detectors": "which detectors looked, in which version and with which seed",
            "coverage": "in which classes which rule could have raised an alarm",
            "thresholds": "by which bounds a class was alarmed",
        }
        return [*told, *(speaker.missing(name, what, _SCAN, SCAN_REPORT) for name, what in whats.items())]
    return [
        *told,
        _detectors(speaker, scan),
        _model(speaker, scan),
        _coverage(speaker, scan),
        _thresholds(speaker, scan),
    ]


def _complete(speaker: Speaker, evidence: AuditEvidence) -> DossierStatement:
    """Say whether the scan read exactly the signed samples."""
    said, dataset = evidence.signed.scan.said, evidence.signed.dataset.said
    if said is None or dataset is None:
        what = "that the scan read exactly the signed samples: there is no signed scan of signed data here"
        return speaker.missing("complete", what, _SIGNED, SCAN)
    files = (SCAN, evidence.signed.dataset.file)
    split = dataset.splits.get(said.split)
    facts = {
        "root over what was read": harmless(said.root),
        "root that is signed": split.root if split else "none",
        "finished": said.finished,
        "told which samples are clean": _reference(said),
    }
    if split is not None and (split.root, split.size) == (said.root, said.size):
        text = (
            f"The scan read all {plural(said.size, 'sample')} of the signed split {named(said.split)}, and no others."
        )
    else:
        read = plural(said.size, "sample")
        text = (
            f"The scan did NOT read exactly the signed split {named(said.split)}: it read {read}, "
            f"and {split.size if split else 0:,} are signed."
        )
    return speaker.shown("complete", text, *files, facts=facts)


def _reference(said: ScanEvidence) -> str:
    return (
        "none" if said.reference is None else f"{said.reference.size:,} samples, root {harmless(said.reference.root)}"
    )


def _detectors(speaker: Speaker, scan: ScanRead) -> DossierStatement:
    ran = [one for one in scan.detectors if not one.reason]
    version = scan.versions.get("whitesquare", "not recorded")
    text = (
        f"{plural(len(ran), 'detector')} of {len(scan.detectors)} looked at {plural(scan.size, 'sample')} "
        f"({harmless(scan.mode)}), in version {harmless(version)} with the seed {scan.seed}."
    )
    facts = {harmless(f"{one.name} ({one.rule_id})"): harmless(one.reason, 200) or "ran" for one in scan.detectors}
    facts |= {f"version of {harmless(name)}": harmless(value) for name, value in scan.versions.items()}
    if scan.skipped:
        facts["files left out, unreadable"] = f"{len(scan.skipped):,}"
    return speaker.shown("detectors", text, SCAN_REPORT, facts=facts)


def _model(speaker: Speaker, scan: ScanRead) -> DossierStatement:
    if scan.learned is None:
        text = "The scan used no model, so that nothing in it can be confirmed by what a trigger does."
        return speaker.shown("model", text, SCAN_REPORT)
    text = f"The model behind the scan reads the samples with an accuracy of {of(scan.learned)} (mean over classes)."
    facts = {"trained": harmless(scan.trained, 200) or "given, not trained by the scan"}
    return speaker.shown("model", text, SCAN_REPORT, facts=facts, figures=[estimate("accuracy", scan.learned)])


def _coverage(speaker: Speaker, scan: ScanRead) -> DossierStatement:
    if not scan.coverage:
        return speaker.missing("coverage", "in which classes which rule could have raised an alarm", _SCAN, SCAN_REPORT)
    able = sum(one.classes > 0 for one in scan.coverage)
    text = (
        f"{able} of {plural(len(scan.coverage), 'rule')} could have raised an alarm, had a class been poisoned in the "
        "way that the rule knows."
    )
    facts = {
        harmless(one.rule_id): f"in {one.classes} of {one.of} classes{f': {harmless(one.why, 200)}' if one.why else ''}"
        for one in scan.coverage
    }
    return speaker.shown("coverage", text, SCAN_REPORT, facts=facts)


def _thresholds(speaker: Speaker, scan: ScanRead) -> DossierStatement:
    if not scan.thresholds:
        what = "by which bounds a class was alarmed: the scan was made by a version that did not write them down"
        return speaker.missing("thresholds", what, _SCAN, SCAN_REPORT)
    facts = {harmless(name): f"{value:g}" for name, value in scan.thresholds.items()}
    text = f"A class was alarmed, and an alarm confirmed, by these bounds. {harmless(scan.calibration_note, 400)}"
    return speaker.shown("thresholds", text.strip(), SCAN_REPORT, facts=facts)


def say_found(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what the scan found."""
    speaker, scan, signed = Speaker(evidence, "found"), evidence.scan.said, evidence.signed.scan.said
    if scan is None and signed is None:
        what = "what a scan finds in the data: no scan lies here that can be read"
        return [speaker.missing("verdict", what, _SCAN, SCAN_REPORT, SCAN)]
    if scan is None:
        assert signed is not None  # noqa: S101 - one of them is there
        text = f"A signed scan says: {harmless(signed.verdict)}, with {plural(len(signed.alarms), 'alarm')}."
        facts = {
            harmless(f"{one.class_name} ({one.rule_id})"): f"{harmless(one.tier)}, {plural(one.carriers, 'sample')}"
            for one in signed.alarms
        }
        report = speaker.missing("report", "the samples behind the alarms, and why", _SCAN, SCAN_REPORT)
        return [speaker.shown("verdict", text, SCAN, facts=facts), report]
    counts = {tier: sum(one.tier == tier for one in scan.flagged) for tier in TIERS}
    beside = ", ".join(f"{count:,} {tier}" for tier, count in counts.items())
    text = f"Verdict of the scan: {harmless(scan.verdict)}. Of {plural(scan.size, 'sample')}, flagged: {beside}."
    reasons = {f"reason {i + 1}": harmless(one, 400) for i, one in enumerate(scan.reasons)}
    warnings = {f"warning {i + 1}": harmless(one, 400) for i, one in enumerate(scan.warnings)}
    told = [speaker.shown("verdict", text, SCAN_REPORT, facts=reasons | warnings)]
    return [*told, *_alarms(speaker, scan), *_differ(speaker, scan, signed)]


def _alarms(speaker: Speaker, scan: ScanRead) -> list[DossierStatement]:
    told = []
    for number, one in enumerate(scan.alarms, start=1):
        by = f"{harmless(one.tier)}, rule {harmless(one.rule_id)}"
        text = (
            f"Class {named(scan.class_name(one.label))} stands out ({by}): "
            f"{plural(one.carriers, 'sample')}. {harmless(one.reasons[0], 400) if one.reasons else ''}"
        )
        rate = one.flip_rate
        figures = [estimate("images of other classes that the rebuilt trigger turns", rate)] if rate else []
        facts = {"p-value": f"{one.p_value:.2g}"} if one.p_value is not None else {}
        told.append(speaker.shown(f"alarm-{number}", text.strip(), SCAN_REPORT, facts=facts, figures=figures))
    if not told:
        rules = listed([one.rule_id for one in scan.coverage if one.classes])
        text = f"No class was alarmed, by rules that could have spoken: {rules}. That certifies nothing."
        told.append(speaker.shown("alarms", text, SCAN_REPORT))
    return told


def _differ(speaker: Speaker, scan: ScanRead, signed: ScanEvidence | None) -> list[DossierStatement]:
    """Say where the report and the signed statement are of two scans, or contradict each other."""
    if signed is None:
        return []
    if speaker.evidence.scan.sha256 == signed.report:
        if (scan.verdict, scan.size, scan.seed) == (signed.verdict, signed.size, signed.seed):
            return []
        text = (
            f"The signed statement and its own report CONTRADICT each other: {harmless(signed.verdict)}, "
            f"{plural(signed.size, 'sample')}, seed {signed.seed}, against {harmless(scan.verdict)}, "
            f"{plural(scan.size, 'sample')}, seed {scan.seed}. Believe neither."
        )
        return [speaker.shown("contradiction", text, SCAN, SCAN_REPORT)]
    text = (
        f"The report is NOT the one of the signed scan, which says: {harmless(signed.verdict)}, "
        f"{plural(len(signed.alarms), 'alarm')}, {plural(signed.size, 'sample')} read. What {SCAN_REPORT} says is "
        "nobody's word."
    )
    return [speaker.shown("other-report", text, SCAN, SCAN_REPORT)]
