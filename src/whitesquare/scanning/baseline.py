"""A baseline: alarms that somebody has looked at and accepted, known by what the samples hold and not by their names.

An alarm is accepted if the baseline has one of its rule and class, of the same tier or a stronger one, and every sample
that it flags is among the samples accepted there: a new sample, a new class, a proof where there was none is new.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from whitesquare._base.formats import other_form
from whitesquare._base.safe_text import printable
from whitesquare._base.schema import decode
from whitesquare.errors import DataError
from whitesquare.records import TIERS
from whitesquare.scanning.fingerprints import flags_by_group
from whitesquare.scanning.found import Acceptance
from whitesquare.scanning.types import Alarm, ScanResult

FORMAT = "whitesquare baseline 1"
"""Value of ``format``."""


@dataclass(frozen=True)
class KnownAlarm:
    """One accepted alarm, as a reviewer reads it.

    Attributes:
        class_name: the class.
        rule_id: the rule that raised it.
        tier: how sure it was then.
        by: who accepted it.
        when: on which day, such as 2027-01-31.
        why: for what reason.
        dataset: SHA-256 of the data; only where no sample is flagged and the class stands out as a whole, else empty.
        samples: SHA-256 of the content of each sample that it flags, to its id then, which is there for people.
    """

    class_name: str
    rule_id: str
    tier: str
    by: str
    when: str
    why: str
    dataset: str
    samples: dict[str, str]


@dataclass(frozen=True)
class Baseline:
    """What is known and accepted of a data set; ``format`` names the form of the file, ``source`` the data."""

    format: str
    source: str
    accepted: tuple[KnownAlarm, ...]


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        DataError: the file cannot be read, is none, or is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a baseline: {error}; `scan --write-baseline` writes one.") from error
    found = decode(Baseline, text, where=str(path))
    if found.format != FORMAT:
        raise DataError(f"{path} is not a baseline of `whitesquare scan`: {other_form(found.format, FORMAT)}.")
    if odd := {one.tier for one in found.accepted} - set(TIERS):
        raise DataError(f"{path}: the tier {min(odd)!r:.40} is unknown; expected one of {', '.join(TIERS)}.")
    return found


def baseline_json(baseline: Baseline) -> str:
    """Write a baseline so that it can be reviewed: one sample a line, in an order that does not change."""
    return json.dumps(asdict(baseline), indent=1, ensure_ascii=True, sort_keys=False) + "\n"


def baseline_of(
    result: ScanResult, contents: Mapping[str, str], known: Baseline | None, by: str, when: str, why: str
) -> Baseline:
    """Accept every alarm of a scan.

    Args:
        result: what was found.
        contents: SHA-256 of the content of every flagged sample, by id.
        known: a baseline whose entries keep who, when and why where they still apply.
        by: who accepts the others.
        when: on which day.
        why: for what reason.
    """
    entries: list[KnownAlarm] = []
    for alarm in result.alarms:
        samples = _samples(alarm, result, contents)
        old = (
            next((one for one in known.accepted if _covers(one, alarm, samples, result.digest)), None)
            if known
            else None
        )
        entry = old or KnownAlarm(
            class_name=alarm.class_name,
            rule_id=alarm.rule_id,
            tier=alarm.tier,
            by=by,
            when=when,
            why=why,
            dataset="" if samples else result.digest,
            samples=dict(sorted(samples.items())),
        )
        if entry not in entries:
            entries.append(entry)
    return Baseline(FORMAT, result.source, tuple(entries))


def accept(
    result: ScanResult, contents: Mapping[str, str], baseline: Baseline
) -> tuple[ScanResult, tuple[KnownAlarm, ...]]:
    """Mark the alarms that a baseline knows; return the entries that speak of no alarm any more, too.

    Args:
        result: what was found.
        contents: SHA-256 of the content of every flagged sample, by id.
        baseline: what is accepted.
    """
    accepted, used, alarms = [], set(), []
    for alarm in result.alarms:
        samples = _samples(alarm, result, contents)
        at = next((i for i, one in enumerate(baseline.accepted) if _covers(one, alarm, samples, result.digest)), None)
        if at is None:
            alarms.append(alarm)
            continue
        one = baseline.accepted[at]
        used.add(at)
        accepted.append(Acceptance(alarm.label, alarm.rule_id, alarm.tier, one.by, one.when, one.why))
        told = f"Accepted in the baseline by {one.by or 'nobody'} on {one.when}: {one.why or 'no reason is given'}"
        alarms.append(replace(alarm, reasons=(*alarm.reasons, told)))
    stale = tuple(one for i, one in enumerate(baseline.accepted) if i not in used)
    return replace(result, alarms=tuple(alarms), accepted=tuple(dict.fromkeys(accepted))), stale


def _samples(alarm: Alarm, result: ScanResult, contents: Mapping[str, str]) -> dict[str, str]:
    flags = flags_by_group(result.flagged).get((alarm.label, alarm.rule_id), [])
    return {contents[flag.id]: printable(flag.id) for flag in flags}


def _covers(known: KnownAlarm, alarm: Alarm, samples: Mapping[str, str], digest: str) -> bool:
    if (known.class_name, known.rule_id) != (alarm.class_name, alarm.rule_id):
        return False
    if TIERS.index(alarm.tier) < TIERS.index(known.tier):
        return False
    return samples.keys() <= known.samples.keys() if samples else known.dataset == digest
