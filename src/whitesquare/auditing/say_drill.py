"""Statements about the power of the scan on these very data, and about its false alarms: what a drill measured."""

import re
from dataclasses import replace

from whitesquare.auditing.bounds import at_most, exact_estimate
from whitesquare.auditing.evidence import AuditEvidence
from whitesquare.auditing.reads import CleanRead, DrillRead, DrillRowRead
from whitesquare.auditing.types import DossierStatement
from whitesquare.auditing.words import Speaker, harmless, named, percent, plural, rate
from whitesquare.records import Estimate

_PLAIN = re.compile("[a-z][a-z0-9-]{0,39}").fullmatch
"""What an attack must be called so that its name can be a part of an id."""
_DRILL = "whitesquare drill DATA --clean 60 --key KEY -o RUN/drill"


def say_power(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say which attacks, at which rates, the scan caught in poisoned copies of these data."""
    speaker, drill, name = Speaker(evidence, "power"), evidence.drill.said, evidence.drill.name
    if drill is None:
        return [speaker.missing("drill", "which attacks at which rates a scan of these data would see", _DRILL, name)]
    told = [_same_data(speaker, evidence, drill)]
    for number, attack in enumerate(dict.fromkeys(row.attack for row in drill.rows), start=1):
        rows = [row for row in drill.rows if row.attack == attack]
        figures = [figure for row in rows for figure in _figures(row)]
        seen = ", ".join(f"in {row.right_class} of {len(row.runs)} runs at {rate(row.rate)}" for row in rows)
        text = f"{harmless(attack)}: the poisoned class was alarmed {seen} of the images."
        facts = {
            f"{rate(row.rate)} of the images": f"{plural(row.poisons, 'poison')} in each of "
            f"{plural(len(row.runs), 'run')}, seeds from {min((run.seed for run in row.runs), default=0)} on"
            for row in rows
        }
        told.append(
            speaker.shown(f"attack.{attack if _PLAIN(attack) else number}", text, name, facts=facts, figures=figures)
        )
    if not drill.rows:
        told.append(
            speaker.missing(
                "attacks",
                "the power against any attack: "
                + ("no run of the drill could be made" if drill.failures else "the drill rehearsed none"),
                _DRILL,
            )
        )
    if drill.failures or drill.notices:
        text = (
            f"{plural(len(drill.failures), 'run')} of the drill could not be made; what weakens its figures is below."
        )
        facts = {f"notice {i + 1}": harmless(one, 400) for i, one in enumerate(drill.notices)}
        facts |= {
            harmless(f"{one.attack} at {rate(one.rate)}, seed {one.seed}"): harmless(one.reason, 400)
            for one in drill.failures
        }
        told.append(speaker.shown("limits", text, name, facts=facts))
    return told


def _same_data(speaker: Speaker, evidence: AuditEvidence, drill: DrillRead) -> DossierStatement:
    """Hold the data of the drill against those of the scan."""
    scan, files = evidence.scan, [evidence.drill.name, evidence.scan.name]
    if scan.said is None or not scan.said.digest:
        text = (
            f"The drill was made on {named(drill.source)} ({plural(drill.size, 'sample')}); no scan here says whether "
        )
        return speaker.shown(
            "data", f"{text}these are the same data.", files[0], facts={"digest": harmless(drill.digest)}
        )
    facts = {"digest of the drilled data": harmless(drill.digest), "of the scanned data": harmless(scan.said.digest)}
    if drill.digest == scan.said.digest:
        text = f"The drill poisoned copies of the very data that were scanned, in the class {named(drill.target_name)}."
        return speaker.shown("data", text, *files, facts=facts)
    text = (
        f"The drill was NOT made on the data that were scanned: its {plural(drill.size, 'sample')} are others; "
        "what it measured speaks of those."
    )
    return speaker.shown("data", text, *files, facts=facts)


def _figures(row: DrillRowRead) -> list[Estimate]:
    at = f"{harmless(row.attack, 40)} at {rate(row.rate)}"
    found = [exact_estimate(f"{at}: runs in which the class was alarmed", row.right_class, len(row.runs))]
    found.append(replace(row.recall, name=f"{at}: poisons behind the alarm"))
    if row.attack_success is not None:
        found.append(replace(row.attack_success, name=f"{at}: images that the trigger turns on a model of its own"))
    return found


def say_false_alarms(evidence: AuditEvidence) -> list[DossierStatement]:
    """Say how often a scan of clean resamples of these data raised an alarm."""
    speaker, drill, name = Speaker(evidence, "false-alarms"), evidence.drill.said, evidence.drill.name
    if drill is None or drill.clean is None or not drill.clean.decided:
        why = "" if drill is None else ": the drill here scanned no clean resample that came to a verdict"
        return [speaker.missing("count", f"how often a scan of these data cries wolf{why}", _DRILL, name)]
    clean, n = drill.clean, len(drill.clean.decided)
    alarmed, confirmed = (sum(map(bool, found)) for found in zip(*_alarms_of(clean), strict=True))
    without = f", without the {clean.left_out:,} samples that an alarm flags in the data as they are,"
    text = (
        f"{alarmed} of {plural(n, 'scan')} of clean resamples ({rate(clean.share)} of each class, drawn anew)"
        f"{without if clean.left_out else ''} raised an alarm, {confirmed} a confirmed one: at most "
        f"{percent(at_most(alarmed, n))} of such scans do (95 %). The bound holds for resamples of these data, not for "
        "other data."
    )
    facts = {
        "scans that came to no verdict": f"{len(clean.runs) - n}",
        "an alarm, at most (one-sided 95 %)": percent(at_most(alarmed, n)),
        "a confirmed alarm, at most (one-sided 95 %)": percent(at_most(confirmed, n)),
        "samples left out of all": f"{clean.left_out:,}{_UNKNOWN * bool(clean.left_out)}",
    }
    figures = [
        exact_estimate("clean resamples with an alarm", alarmed, n),
        exact_estimate("clean resamples with a confirmed alarm", confirmed, n),
    ]
    return [speaker.shown("count", text, name, facts=facts, figures=figures)]


_UNKNOWN = "; they may be poison or a false alarm, and this count cannot tell"


def _alarms_of(clean: CleanRead) -> list[tuple[bool, bool]]:
    return [(bool(run.alarmed), bool(run.confirmed)) for run in clean.decided]
