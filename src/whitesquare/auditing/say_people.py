"""Statements about what people decided, what was removed, and what that did to the model."""

from dataclasses import replace

from whitesquare.auditing.evidence import BEFORE, AuditEvidence
from whitesquare.auditing.reads import ReadFile, RemovedRead, ScanRead, VictimRead
from whitesquare.auditing.types import DossierStatement
from whitesquare.auditing.words import Speaker, harmless, named, of, plural
from whitesquare.records import VICTIM

_REVIEW = "whitesquare review RUN/scan.json"
_SIGN = "whitesquare review RUN/scan.json --sign KEY"
_CLEANSE = (
    "whitesquare cleanse DATA --scan RUN/scan.json --decisions RUN/decisions.jsonl -o cleaned && "
    "cp cleaned/removed.json RUN/"
)
_SIGNED = (
    "whitesquare cleanse DATA --scan RUN/scan.json --decisions RUN/decisions.jsonl --key KEY -o cleaned && "
    "cp cleaned/removed.json cleaned/removed.sigstore.json RUN/"
)
_ATTEST = "whitesquare attest cleaned --key KEY -o RUN"
_BEFORE = (
    f"whitesquare train DATA -o RUN/{BEFORE} && whitesquare measure RUN/{BEFORE} --data DATA --trigger TRIGGER "
    "--target CLASS"
)


def say_decided(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what people decided about the samples that were flagged."""
    speaker, log = Speaker(evidence, "decided"), evidence.decided.log
    if log.said is None:
        what = "that anybody looked at what was flagged and decided about it"
        return [speaker.missing("marks", what, _REVIEW, log.name), _sworn(speaker, evidence)]
    said = log.said
    counts = ", ".join(f"{count:,} {choice}" for choice, count in said.counts.items()) or "nothing stands"
    who = "One person" if len(said.people) == 1 else f"{len(said.people)} people"
    text = f"{who} decided, by {plural(said.marks, 'mark')}: {counts}."
    facts = {
        harmless(by): f"{plural(count, 'sample')}, as {named(role) if role else 'no role'}"
        for by, (role, count) in said.people.items()
    }
    facts |= {"marks that give a reason": f"{said.reasons:,}"}
    facts |= {"earliest mark, by that person's clock": said.first[0], "latest mark": said.first[1]}
    told = [speaker.shown("marks", text, log.name, facts=facts)]
    scan = next((one for one in (evidence.scan, evidence.scan_before) if one.sha256 == said.head.scan), None)
    if scan is None:
        what = (
            f"the scan that these decisions are about: it has the SHA-256 {said.head.scan}, and none here does, so "
            "that they are not about what was found here"
        )
        return [*told, speaker.missing("scan", what, _REVIEW, log.name), _sworn(speaker, evidence)]
    flagged = len(scan.said.flagged) if scan.said else 0
    text = f"These decisions are about {scan.name} as it lies here, which flags {plural(flagged, 'sample')}."
    return [*told, speaker.shown("scan", text, log.name, scan.name), _sworn(speaker, evidence)]


def _sworn(speaker: Speaker, evidence: AuditEvidence) -> DossierStatement:
    """Say who signed the decisions, and whether they are still the ones that were signed."""
    decided, what = evidence.decided, "that anybody answers for the decisions"
    signed, envelope = decided.signed, decided.envelope
    if signed is None:
        return speaker.missing("signed", what, _SIGN, envelope.name)
    counts = ", ".join(f"{count:,} {choice}" for choice, count in signed.counts.items() if count) or "nothing stands"
    signers = decided.vouched[envelope.name]
    roles = ", ".join(f"{named(key.name)} in the role {named(key.role or 'none')}" for key in signers)
    if decided.log.sha256 and signed.log != decided.log.sha256:
        now = f"{what} as they are now: {roles} signed other marks, which came to {counts}"
        return speaker.missing("signed", now, _SIGN, envelope.name)
    text = f"{plural(len(signers), 'key')} answers for these decisions ({counts}): {roles}."
    files = (envelope.name, decided.held.name) if signed.held is not None else (envelope.name,)
    return speaker.shown("signed", text.replace("keys answers", "keys answer"), *files)


def say_removed(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say what was removed, and what that did to accuracy and attack success."""
    speaker, removed = Speaker(evidence, "removed"), evidence.removed
    if removed.said is None:
        told = [speaker.missing("samples", "that anything was removed from the data", _CLEANSE, removed.name)]
        return [*told, _kept(speaker, evidence), *_effects(speaker, evidence)]
    said = removed.said
    text = (
        f"{plural(said.counts.removed, 'sample')} of {said.counts.before:,} were removed from {named(said.source)}; "
        f"{said.counts.kept:,} were kept."
    )
    facts = {f"class {harmless(name)}": f"{one.removed:,} of {one.before:,}" for name, one in said.by_class.items()}
    facts |= {"samples that were given another class": f"{len(said.relabelled):,}"} if said.relabelled else {}
    facts["by whose choice"] = _chosen(evidence, said)
    told = [speaker.shown("samples", text, removed.name, facts=facts)]
    scan = _scan_of(evidence, said.scan_digest)
    if scan is None:
        what = (
            f"the scan by which they were removed: it has the SHA-256 {harmless(said.scan_digest)}, and none here "
            f"does; it belongs to RUN/{BEFORE}/scan.json"
        )
        told.append(speaker.missing("scan", what, f"cp scan.json RUN/{BEFORE}/", removed.name))
    else:
        verdict = harmless(scan.said.verdict) if scan.said else "which cannot be read"
        text = f"They were removed by what {scan.name} found, as it lies here: {verdict}."
        told.append(speaker.shown("scan", text, removed.name, scan.name))
    return [*told, _kept(speaker, evidence), *_effects(speaker, evidence)]


def _kept(speaker: Speaker, evidence: AuditEvidence) -> DossierStatement:
    """Say whether the signed data are what was kept."""
    said, dataset, what = evidence.removed_signed.said, evidence.signed.dataset, "that the data here are what was kept"
    if said is None:
        return speaker.missing("kept", what, _SIGNED, evidence.removed_signed.file)
    names = (evidence.removed_signed.file, dataset.file)
    if dataset.said is None:
        return speaker.missing("kept", f"{what}: no signed data set lies here", _ATTEST, *names)
    signed = {name: (one.size, one.root) for name, one in dataset.said.splits.items()}
    kept = {name: (one.size, one.root) for name, one in said.kept.items()}
    if kept != signed:
        other = ", ".join(harmless(name) for name in sorted({*kept, *signed}) if kept.get(name) != signed.get(name))
        return speaker.missing("kept", f"{what}: they differ in {other}", _ATTEST, *names)
    sizes = ", ".join(f"{plural(size, 'sample')} of the split {named(name)}" for name, (size, _) in kept.items())
    return speaker.shown("kept", f"The signed data are what was kept, sample by sample: {sizes}.", *names)


def _chosen(evidence: AuditEvidence, said: RemovedRead) -> str:
    """Say whether people chose what was removed, or a tier of the scan."""
    if said.decisions is None:
        return f"no person's: the scan's tiers{f', down to {harmless(said.tier)}' if said.tier else ''}"
    if said.decisions.sha256 == evidence.decided.log.sha256:
        return f"people's, in {evidence.decided.log.name} as it lies here"
    return f"people's, in a file with the SHA-256 {harmless(said.decisions.sha256)}, which does not lie here"


def _scan_of(evidence: AuditEvidence, sha256: str) -> ReadFile[ScanRead] | None:
    return next((one for one in (evidence.scan_before, evidence.scan) if one.sha256 == sha256 and one.sha256), None)


def _effects(speaker: Speaker, evidence: AuditEvidence) -> list[DossierStatement]:
    """Compare the model of before with that of after."""
    before, after = evidence.victim_before, evidence.victim
    whats = {"accuracy": "what the removal did to clean accuracy", "attack": "what it did to attack success"}
    if before.said is None or after.said is None:
        command = _BEFORE if after.said is not None else f"whitesquare measure RUN --data DATA && {_BEFORE}"
        return [speaker.missing(name, what, command, before.name, after.name) for name, what in whats.items()]
    one, two, files = before.said, after.said, (before.name, VICTIM)
    accuracy = speaker.shown(
        "accuracy",
        f"Clean accuracy before: {of(one.ca)}; after: {of(two.ca)}.",
        *files,
        figures=[replace(one.ca, name="clean accuracy before"), replace(two.ca, name="clean accuracy after")],
    )
    if (one.trigger, one.target) != (two.trigger, two.target):
        what = f"{whats['attack']}: the two measurements are of different triggers or target classes"
        return [accuracy, speaker.missing("attack", what, _same_trigger(one))]
    attack = speaker.shown(
        "attack",
        f"Attack success under {named(one.trigger)} before: {of(one.asr)}; after: {of(two.asr)}.",
        *files,
        figures=[replace(one.asr, name="attack success before"), replace(two.asr, name="attack success after")],
    )
    return [accuracy, attack]


def _same_trigger(one: VictimRead) -> str:
    return f"whitesquare measure RUN --data DATA --trigger {harmless(one.trigger, 200)} --target {one.target}"
