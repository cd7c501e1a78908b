"""A dossier from evidence: every statement, what none of them covers, and which control each serves."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256

import whitesquare
from whitesquare._base.schema import encode
from whitesquare.auditing.controls import CONTROLS
from whitesquare.auditing.evidence import AuditEvidence
from whitesquare.auditing.say_data import say_data
from whitesquare.auditing.say_drill import say_false_alarms, say_power
from whitesquare.auditing.say_model import say_model, say_verdict
from whitesquare.auditing.say_people import say_decided, say_removed
from whitesquare.auditing.say_scan import say_found, say_looked
from whitesquare.auditing.types import DOSSIER_FORMAT, ControlRow, Dossier, DossierPredicate, DossierStatement
from whitesquare.auditing.words import harmless, listed

_SAY = (
    *(say_data, say_looked, say_power, say_false_alarms, say_found, say_decided, say_removed, say_model, say_verdict),
)
_NEVER = (
    "Nothing here certifies that the data are free of poison: a scan can miss, and what was poisoned before it was "
    "signed verifies.",
    "A drill speaks of the attacks, rates and class that it rehearsed; an attacker may bring another.",
    "A trigger that was not tried on the model has not been measured.",
    "A signature says who vouches for bytes, not that what they say is true; a stolen key signs until it is taken out "
    "of the trusted ones.",
    "Pretrained weights, and what a training does beyond reading the data, are not looked at.",
    "Whether the data are fair, representative or lawful is not looked at. The table of controls names where this is "
    "evidence; it is no statement of conformity.",
)


def compose(evidence: AuditEvidence, made: str) -> Dossier:
    """Make a dossier.

    Args:
        evidence: of one run.
        made: UTC time, as :func:`whitesquare.signing.times.to_text` writes it.
    """
    statements = tuple(statement for say in _SAY for statement in say(evidence))
    dossier = Dossier(
        format=DOSSIER_FORMAT,
        made=made,
        tool=f"whitesquare {whitesquare.__version__}",
        fingerprint="",
        model=evidence.signed.model.sha256,
        manifest=evidence.manifest,
        headline=_headline(evidence, statements),
        statements=statements,
        not_covered=_not_covered(evidence, statements),
        controls=tuple(_rows(statements)),
        files=tuple(evidence.files.values()),
    )
    return replace(dossier, fingerprint=fingerprint(dossier))


def fingerprint(dossier: Dossier) -> str:
    """Digest everything in a dossier but the time it was made and the fingerprint itself."""
    record = asdict(replace(dossier, made="", fingerprint=""))
    return sha256(json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def dossier_json(dossier: Dossier) -> str:
    """Write ``dossier.json``."""
    return encode(dossier)


def predicate_of(dossier: Dossier) -> DossierPredicate:
    """Return what is signed about a dossier."""
    return DossierPredicate(
        made=dossier.made,
        tool=dossier.tool,
        fingerprint=dossier.fingerprint,
        model=dossier.model,
        manifest=dossier.manifest,
        files={one.name: one.sha256 for one in dossier.files},
        shown=tuple(one.id for one in dossier.statements if one.shown),
        not_shown=tuple(one.id for one in dossier.not_shown),
    )


def _headline(evidence: AuditEvidence, statements: Sequence[DossierStatement]) -> str:
    shown = sum(one.shown for one in statements)
    signed = sum(one.shown and one.signed for one in statements)
    said, scan, report = evidence.verdict.said, evidence.signed.scan.said, evidence.scan.said
    verdict = f"The gate said {harmless(said.result)}" if said else "No verdict of a gate is shown"
    found = scan.verdict if scan else report.verdict if report else ""
    looked = f"the scan says: {harmless(found)}" if found else "no scan is shown"
    counts = f"{shown} of {len(statements)} statements are shown, {signed} of them on signed evidence alone"
    return f"{verdict}; {looked}. {counts}."


def _not_covered(evidence: AuditEvidence, statements: Sequence[DossierStatement]) -> tuple[str, ...]:
    found = list(_NEVER)
    if scan := evidence.scan.said:
        idle = [one.name for one in scan.detectors if one.reason]
        found += [f"These detectors did not run: {listed(idle, 40)}."] if idle else []
        mute = [one.rule_id for one in scan.coverage if one.classes < one.of]
        found += [f"These rules could not have spoken of every class: {listed(mute, 40)}."] if mute else []
        if scan.skipped:
            found.append(f"{len(scan.skipped):,} files could not be read, and nobody looked at them.")
    if unsigned := [one.id for one in statements if one.shown and not one.signed]:
        found.append(f"These statements rest on files that nobody signed: {listed(unsigned, 60)}.")
    if missing := [one.id for one in statements if not one.shown]:
        found.append(f"These statements are not shown: {listed(missing, 60)}.")
    return tuple(found)


def _rows(statements: Sequence[DossierStatement]) -> list[ControlRow]:
    return [
        ControlRow(
            one.id,
            one.framework,
            one.asks,
            one.url,
            tuple(said.id for said in statements if one.id in said.serves and said.shown),
            tuple(said.id for said in statements if one.id in said.serves and not said.shown),
        )
        for one in CONTROLS
    ]
