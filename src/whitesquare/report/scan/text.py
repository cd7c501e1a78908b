"""A scan in words: the headline, what was looked at, what the tiers mean, and what to type next."""

import shlex
from collections.abc import Collection

from whitesquare.data.holding import UNLIKE
from whitesquare.report.common import formats as f
from whitesquare.report.common.shown import Shown, ShownNext, ShownTable
from whitesquare.scanning.types import NOT_ASKED, Alarm, ScanResult

SCAN_FILE = "scan.json"
_SKIPPED = 5

TIER_MEANING = {
    "confirmed": "its trigger was reconstructed and, pasted on images of other classes, turned them into this one more "
    "often than controls did",
    "suspicious": "it stands out beyond chance, but no trigger was proven to do anything",
    "review": "no alarm; these samples rank highest and are worth a look",
}

_CALIBRATION = {
    "conformal": "p-values are conformal: computed against the trusted samples, and valid for any detector",
    "approximate": "p-values are approximate: classes were compared with one another, not with trusted samples",
    "ranking only": "there are no p-values: samples are only ranked",
}


def headline(result: ScanResult) -> str:
    """Say in one line what the scan found, and of what; what could not have found anything did not find nothing."""
    said = [_accepted(result), left_out(result), _empty(result)]
    return _answer(result) + "".join(f"; {one}" for one in said if one)


def _accepted(result: ScanResult) -> str:
    """Say how many alarms a baseline knows."""
    known = len(result.alarms) - len(result.new_alarms)
    if not known:
        return ""
    told = "all that was found is" if known == len(result.alarms) else f"{known} of {len(result.alarms)} findings are"
    return f"{told} accepted in the baseline"


def _answer(result: ScanResult) -> str:
    confirmed = [alarm for alarm in result.alarms if alarm.tier == "confirmed"]
    known = {alarm.label for alarm in confirmed}
    others = [alarm for alarm in result.alarms if alarm.label not in known]
    looks = f"{_classes(others)} look{'' if _many(others) else 's'} poisoned" if others else ""
    if confirmed:
        return f"A planted trigger was confirmed in {_classes(confirmed)}{f'; {looks} too' if looks else ''}"
    if result.undecided:
        return f"Not decided: the model has learned nothing{f'; {looks}, by what needs no model' if looks else ''}"
    if looks:
        return f"{looks[0].upper()}{looks[1:]}, but that is not proven"
    ran, whole = sum(not run.reason for run in result.runs), len(result.coverage)
    if ran == 0:
        return "Nothing was checked: no detector ran"
    if any(row.thinned for row in result.classes):
        return "Not checked: too much of a class was left out"
    if result.mute:
        return f"Nothing could have been found: none of the {whole} rules that raise alarms could have raised one"
    spoke = sum(one.classes == one.of for one in result.coverage)
    rules = f"; {spoke} of {whole} rules could have raised an alarm" if spoke < whole else ""
    if stopped := sum(run.reason not in ("", NOT_ASKED) for run in result.runs):
        return f"Nothing found by the {f.plural(ran, 'detector')} that ran; {stopped} could not run{rules}"
    return f"Nothing found by {'the one detector' if ran == 1 else f'any of the {ran} detectors'}{rules}"


def left_out(result: ScanResult) -> str:
    """Say how many files were left out of the scan; empty if none was."""
    out = sum(row.left_out for row in result.classes)
    if not out:
        return ""
    return f"{f.count(out)} of {f.plural(result.size + out, 'file')} {'was' if out == 1 else 'were'} left out"


def _empty(result: ScanResult) -> str:
    empty = [row.name for row in result.classes if not row.size]
    if not empty:
        return ""
    which = f"class {f.quoted(empty[0])} has" if len(empty) == 1 else f"{len(empty)} classes have"
    return f"{which} no samples"


def _many(alarms: list[Alarm]) -> bool:
    return len({alarm.label for alarm in alarms}) > 1


def _classes(alarms: list[Alarm]) -> str:
    names = list(dict.fromkeys(alarm.class_name for alarm in alarms))
    if len(names) > 3:
        return f"{len(names)} classes"
    quoted = [f.quoted(name) for name in names]
    return f"class {quoted[0]}" if len(quoted) == 1 else f"classes {', '.join(quoted[:-1])} and {quoted[-1]}"


def lead(result: ScanResult) -> str:
    """Say how much was scanned and how much of it is flagged, by tier."""
    whole = f"{f.plural(result.size, 'sample')} in {f.plural(len(result.classes), 'class', ending='es')}"
    if not checked(result):
        return f"The data set holds {whole}; no detector looked at them."
    counts = {tier: sum(flag.tier == tier for flag in result.flagged) for tier in TIER_MEANING}
    parts = [f"{f.count(number)} {tier}" for tier, number in counts.items() if number]
    flagged = f"flagged: {', '.join(parts)}" if parts else "none is flagged"
    return f"Of {whole}, {flagged}."


def checked(result: ScanResult) -> bool:
    """Tell whether any detector ran; where none did, no number of findings is zero."""
    return any(not run.reason for run in result.runs)


def calibration(result: ScanResult) -> str:
    """Say what the p-values of this scan are."""
    known = _CALIBRATION.get(result.calibration, f"calibration: {f.short(result.calibration)}")
    used = result.reference_size if result.calibration != "approximate" else 0
    beside = f" ({f.plural(used, 'trusted sample')})" if used else ""
    return f"{known[0].upper()}{known[1:]}{beside}."


def learned(result: ScanResult) -> str:
    """Say how well the model knows the data, by which all that it was asked must be read; empty without a model."""
    found = result.learned
    if found is None:
        return ""
    whose = "given model" if result.mode == "given model" else "scan's own model"
    whose += f" ({result.trained})" if result.trained else ""
    share = f.interval(found.value, found.low, found.high)
    told = f"Accuracy of the {whose} on the scanned samples, mean over classes: {share}"
    if (held := result.held_out) is not None:
        told += (
            f"; of another of its kind, on samples that it had not seen: {f.interval(held.value, held.low, held.high)}"
        )
    layer = (
        f" Its features are {f.short(result.features, 120)}."
        if result.mode == "given model" and result.features
        else ""
    )
    return f"{told}.{layer}"


def losses(result: ScanResult) -> str:
    """Say which recorded training was looked at; empty where none was given."""
    found = result.losses
    if found is None:
        return ""
    images = f" on {f.short(found.inputs)} images" if found.inputs else ""
    return (
        f"Losses of a training of your own were read: {f.plural(found.epochs, 'epoch')}{images}, "
        f"{f.count(found.samples)} of {f.plural(result.size, 'sample')}; they rank samples and raise no alarm."
    )


def skipped(result: ScanResult) -> str:
    """Say how many files are not part of the scan, those that cannot be read apart from those unlike the others."""
    unlike = sum(reason.startswith(UNLIKE) for reason in result.skipped.values())
    broken = len(result.skipped) - unlike
    said = [f"{f.plural(broken, 'file')} could not be read"] if broken else []
    said += [f"{f.plural(unlike, 'file')} {'has' if unlike == 1 else 'have'} another size or colour mode"] * bool(
        unlike
    )
    return f"{' and '.join(said)} and {'is' if broken + unlike == 1 else 'are'} not part of this scan." if said else ""


def notices(result: ScanResult, scan_file: str | None = None) -> list[str]:
    """Say what did not run, by reason, and what else weakens the numbers: a line each, one empty before.the first."""
    unasked = sum(run.reason == NOT_ASKED for run in result.runs)
    reasons = dict.fromkeys((run.reason, run.crashed) for run in result.runs if run.reason not in ("", NOT_ASKED))
    lines = [
        f"{'Crashed' if crashed else 'Not run'}: "
        + ", ".join(f"{f.short(run.name)} ({f.short(run.rule_id, 12)})" for run in result.runs if run.reason == reason)
        + f": {f.short(reason, 300)}"
        for reason, crashed in reasons
    ]
    lines += (
        [f"Not asked for: {f.plural(unasked, 'detector')} more; --detectors all runs all, slowly."] if unasked else []
    )
    lines += [f"Warning: {f.short(warning, 400)}" for warning in result.warnings]
    lines += [told for told in [skipped(result)] if told]
    first = list(result.skipped.items())[:_SKIPPED]
    lines += [f"- {f.short(name)}: {f.short(reason, 300)}" for name, reason in first]
    if len(result.skipped) > _SKIPPED:
        listed = f"all listed in {f.short(scan_file)}" if scan_file else f"listed with -o json={SCAN_FILE}"
        lines.append(f"- and {len(result.skipped) - _SKIPPED} more, {listed}")
    return ["", *lines] if lines else []


def coverage(result: ScanResult) -> str:
    """Say which rules could not have raised an alarm in these data; empty if all of them could."""
    short = [one for one in result.coverage if one.classes < one.of]
    if not short or not checked(result):
        return ""
    whole = len(result.coverage)
    alike: dict[tuple[int, int, str], list[str]] = {}
    for one in short:
        alike.setdefault((one.classes, one.of, one.why), []).append(f.short(one.rule_id, 12))
    told = "; ".join(
        f"{', '.join(rules)} {f'only in {classes} of {of} classes' if classes else 'in none'} ({f.short(why, 200)})"
        for (classes, of, why), rules in alike.items()
    )
    return f"Coverage: {whole - len(short)} of {whole} rules could have raised an alarm in every class; {told}."


def caution(result: ScanResult) -> str:
    """Say what a scan without a finding does not mean; empty where there is one."""
    if result.undecided:
        return "That is no result: a model that has learned nothing can neither show nor rule out a trigger."
    if result.alarms or not checked(result):
        return ""
    return (
        "That is not a certificate: it speaks of these detectors and their settings. An attack with few samples, or of "
        "a kind that none of them looks for, stays hidden."
    )


def next_command(result: ScanResult, scan_file: str = SCAN_FILE, options: str = "") -> str:
    """Return the command that takes the flagged samples out; a source that a terminal cannot show is left open."""
    source, file = (shlex.quote(name) if f.visible(name) == name else "SOURCE" for name in (result.source, scan_file))
    tier = "" if "confirmed" in result.alarm_tiers else " --tier suspicious"
    return f"whitesquare cleanse {source} --scan {file}{tier}{options} -o cleaned/"


def untested(alarm: Alarm, mode: str) -> str:
    """Say why the trigger of an alarm was tested on no image; empty where it was."""
    if alarm.transplant is not None:
        return ""
    why = (
        "the scan asked no model, and only a model can answer"
        if mode == "model-free"
        else "on a first look it turned too few of them to be worth the test"
    )
    return f"The trigger was not tested on other images: {why}. So it is not proven to do anything."


def strength(alarm: Alarm) -> str:
    """Say how strongly the trigger was pasted in the causal test."""
    test = alarm.transplant
    if test is None or test.strength == "as found":
        return "as it was found"
    return "at full strength, as an attacker who trained with a dim trigger would use it"


def beside_truth(result: ScanResult, poisoned: Collection[str]) -> str:
    """Say how much of what is known to be poisoned was flagged, and how much else."""
    flagged = {flag.id for flag in result.flagged if flag.tier != "review"}
    right = len(flagged & set(poisoned))
    ranked = "" if result.fused_auroc is None else f"; AUROC of the ranking {f.decimal(result.fused_auroc)}"
    return (
        f"Beside the truth: {f.count(right)} of {f.plural(len(poisoned), 'poison')} flagged by an alarm, and "
        f"{f.plural(len(flagged) - right, 'clean sample')}{ranked}."
    )


def shown(
    result: ScanResult, scan_file: str | None = None, options: str = "", poisoned: Collection[str] = ()
) -> list[Shown]:
    """Show what a scan found: the verdict, the classes that stand out, what did not run, and what to do next.

    Args:
        result: what was found.
        scan_file: where ``scan.json`` is written, which the next command reads; ``None`` if it is not.
        options: how the data were opened, to follow that command.
        poisoned: ids of the samples that are known to be poisoned; empty where that is not known.
    """
    parts: list[Shown] = [f"{headline(result)}. {lead(result)}"]
    parts += [f"- {f.short(reason, 400)}" for reason in result.reasons]
    known = [alarm for alarm in result.alarms if alarm not in result.new_alarms]
    parts += [f"- Class {f.short(one.class_name, 60)}, {one.rule_id}: {f.short(one.reasons[-1], 400)}" for one in known]
    if result.alarms:
        columns = ("class", "tier", "flagged", "flip rate in %", "controls", "p")
        rows = [_alarm_row(alarm, new=alarm in result.new_alarms) for alarm in result.alarms]
        title = "\nClasses that stand out (controls: patterns pasted for comparison, mean and worst)"
        parts.append(ShownTable(title, columns, rows, numbers=True))
    parts += notices(result, scan_file)
    if poisoned:
        parts.append(f"\n{beside_truth(result, poisoned)}")
    said = (
        caution(result),
        coverage(result),
        learned(result),
        losses(result),
        "" if result.calibration.lower() in result.calibration_note.lower() else calibration(result),
        f.short(result.calibration_note, 600),
    )
    parts.append("\n" + " ".join(part for part in said if part))
    if result.alarms:
        first = "" if scan_file else f" (after the same scan with -o json={SCAN_FILE})"
        parts.append(ShownNext(f"\nNext{first}:\n  {next_command(result, scan_file or SCAN_FILE, options)}\n"))
    return parts


def _alarm_row(alarm: Alarm, *, new: bool) -> tuple[str, ...]:
    test = alarm.transplant
    rate = f.interval(test.flip_rate.value, test.flip_rate.low, test.flip_rate.high, sign="") if test else "not tested"
    control = f"{f.share(test.control_mean)}, {f.share(test.control_worst)}" if test else f.MISSING
    tier = alarm.tier if new else "accepted"
    return f.short(alarm.class_name, 20), tier, str(alarm.carriers), rate, control, f.p_value(alarm.p_value)
