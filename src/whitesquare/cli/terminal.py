"""What the command line shows: tables and sentences on stdout, complaints on stderr. Used by this room only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whitesquare._base.safe_text import printable as printable  # one name for all that verbs print with
from whitesquare._base.safe_text import safe_json, safe_lines, safe_xml, unordering

if TYPE_CHECKING:  # they load NumPy, or take time, which `--help` must not wait for
    from whitesquare.records import Estimate, Measurement, Row, Spread, VictimResult
    from whitesquare.report.scan.rules import ScanRule
    from whitesquare.scanning.types import Alarm, ScanResult
    from whitesquare.study.bench.types import BenchResult
    from whitesquare.study.drill_types import DrillResult

_BLIND = (
    "The network cannot see the place where the trigger sits: no output moved. That is a blind spot of the network, "
    "not a failure of the attack."
)


def say(text: str) -> None:
    """Print a sentence on stdout, wrapped to the terminal, without markup."""
    _show(Text(safe_lines(text)))


def say_lines(text: str) -> None:
    """Print lines on stdout that are laid out already, each with its line break."""
    _write(unordering(safe_lines(text)))


def say_json(text: str) -> None:
    """Print JSON on stdout, or a part of it."""
    _write(safe_json(text))


def say_xml(text: str) -> None:
    """Print XML on stdout."""
    _write(safe_xml(text))


def complain(text: str) -> None:
    """Print a sentence on stderr, without markup; line breaks in names are shown, not obeyed."""
    _show(Text(printable(text)), stderr=True)


def beside() -> Console:
    """Return what draws on stderr, beside the answer."""
    return Console(stderr=True)


def _write(text: str) -> None:
    print(text, end="")  # noqa: T201 - with `_show` all that the library ever prints


def _show(*parts: Text | Table, stderr: bool = False) -> None:
    """Lay out first, print then: only finished lines show what stands at the start of one."""
    console = Console(stderr=stderr, soft_wrap=stderr)
    with console.capture() as capture:
        console.print(*parts, sep="\n")
    console.out(unordering(capture.get()), end="", highlight=False)


def percent(value: float | None) -> str:
    """Write a share in per cent, without the sign."""
    return "-" if value is None else f"{100 * value:.2f}"


def spread(found: Spread) -> str:
    """Write mean and interval in per cent."""
    if found.low is None or found.high is None:
        return percent(found.mean)
    return f"{percent(found.mean)} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def estimate(found: Estimate) -> str:
    """Write a share, its interval and its n."""
    return f"{percent(found.value)} % [{100 * found.low:.2f}, {100 * found.high:.2f}] (n = {found.n})"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
    """Print a table on stdout; with ``numbers`` all columns but the first are aligned to the right."""
    grid = Table(header_style="bold", box=None, pad_edge=False)
    for position, column in enumerate(columns):
        right = numbers and position > 0
        grid.add_column(
            Text(_cell(column)), justify="right" if right else "left", no_wrap=not position, overflow="fold"
        )
    for row in rows:
        grid.add_row(*(Text(_cell(cell)) for cell in row))
    _show(Text(safe_lines(title), style="bold"), grid)


def _cell(text: str) -> str:
    return safe_lines(text).replace("\n", "\\n")


def show_measurement(measurement: Measurement) -> None:
    """Print the results of an experiment: two tables that fit 80 columns."""
    victims = max(row.ca.n for row in measurement.rows)
    target = measurement.classes[measurement.target]
    table(
        f"{printable(measurement.source)}: does the trigger make a {printable(measurement.model)} answer {target!r}?\n"
        f"In per cent: mean over {victims} victim seeds, 95 % interval",
        ("data set", "clean accuracy", "attack success", "worst", "labels changed"),
        [
            (row.name, spread(row.ca), spread(row.asr), percent(row.asr.worst), str(row.labels_changed))
            for row in measurement.rows
        ],
        numbers=True,
    )
    say("")
    table(
        "In per cent: poisons among all images and in their class; poisons still readable;\n"
        "poisons and clean images that a label check flags",
        ("data set", "poisons", "all", "class", "L-inf", "readable", "flagged", "clean"),
        [_data_row(row) for row in measurement.rows],
        numbers=True,
    )
    for row in measurement.rows:
        if row.visibility == 0:
            say(f"{printable(row.name)}: {_BLIND}")


def _data_row(row: Row) -> tuple[str, ...]:
    check = row.label_check
    return (
        row.name,
        str(row.count),
        f"{100 * row.poison_rate:.1f}",
        f"{100 * row.target_rate:.1f}",
        f"{100 * row.linf:.1f}",
        percent(row.label_consistency),
        percent(check.poisons if check else None),
        percent(check.clean if check else None),
    )


def show_victim(victim: VictimResult) -> None:
    """Print what one victim does."""
    from whitesquare.report.common.formats import short

    table(
        f"{printable(victim.model)}, seed {victim.seed}",
        ("figure", "value"),
        [
            ("clean accuracy", estimate(victim.ca)),
            ("attack success", estimate(victim.asr)),
            ("reaction to the trigger", f"{victim.visibility:.2f} (mean largest change of a logit)"),
            ("trigger", short(victim.trigger, 120)),
            ("target class", str(victim.target)),
            *((f"attack success on {name}", estimate(found)) for name, found in victim.asr_by_class.items()),
        ],
    )
    if victim.visibility == 0:
        say(_BLIND)


def show_bench(result: BenchResult) -> None:
    """Print the lines of a bench: for every attack setting a table of its victim families."""
    say(result.title)
    if result.lines:
        say("In per cent: mean over victim seeds, 95 % interval")
    for setting in dict.fromkeys(line.setting for line in result.lines):
        say("")
        table(
            printable(setting),
            ("victim", "clean accuracy", "attack success", "worst", "n"),
            [
                (line.victim, spread(line.ca), spread(line.asr), percent(line.asr.worst), str(line.asr.n))
                for line in result.lines
                if line.setting == setting
            ],
            numbers=True,
        )
    blind = list(dict.fromkeys(line.victim for line in result.lines if line.visibility == 0))
    if blind:
        say(f"{printable(', '.join(blind))}: {_BLIND}")
    if result.scans:
        _show_scans(result)
    if result.outdated:
        say("Some of these cells were computed by another version of the code; a new folder computes them anew.")


def _show_scans(result: BenchResult) -> None:
    """Print a line for every setting that was scanned."""
    from whitesquare.report.bench.scans import FIGURES, scan_row
    from whitesquare.report.common import formats

    for data in dict.fromkeys(line.data for line in result.scans):
        rows = [
            (printable(line.setting), *(formats.plain(cell.text) for cell in scan_row(number, line, worst=False)))
            for number, line in enumerate(result.scans)
            if line.data == data
        ]
        table(f"Scans of {printable(data)}: means over seeds", ("setting", "seeds", *FIGURES), rows, numbers=True)


def show_rule(rule: ScanRule) -> None:
    """Print what a rule is: its own text, after one line of facts."""
    needs = ", ".join(rule.needs) or "nothing but the samples"
    say(f"{rule.rule_id} {rule.name} (family: {rule.family}; needs: {needs})\n\n{rule.text}")


def show_scan(result: ScanResult, scan_file: str | None = None) -> None:
    """Print what a scan found: the verdict, the classes that stand out, what did not run, and what to do next.

    Args:
        result: what was found.
        scan_file: where ``scan.json`` is written, which the next command reads; ``None`` if it is not.
    """
    from whitesquare.report.common import formats
    from whitesquare.report.scan import text as scan_text

    say(formats.plain(f"{scan_text.headline(result)}. {scan_text.lead(result)}"))
    for reason in result.reasons:
        say(formats.plain(f"- {formats.short(reason, 400)}"))
    if result.alarms:
        columns = ("class", "tier", "flagged", "flip rate in %", "control", "p")
        title = "\nClasses that stand out (control: the worst of the patterns pasted for comparison)"
        table(title, columns, [_alarm_row(alarm) for alarm in result.alarms], numbers=True)
    for line in scan_text.notices(result):
        say(formats.plain(line))
    said = (
        scan_text.caution(result),
        scan_text.learned(result),
        scan_text.calibration(result),
        formats.short(result.calibration_note, 600),
    )
    say(formats.plain("\n" + " ".join(part for part in said if part)))
    if result.alarms:
        first = "" if scan_file else f" (after the same scan with -o json={scan_text.SCAN_FILE})"
        say_lines(f"\nNext{first}:\n  {scan_text.next_command(result, scan_file or scan_text.SCAN_FILE)}\n")


def _alarm_row(alarm: Alarm) -> tuple[str, ...]:
    from whitesquare.report.common import formats

    test = alarm.transplant
    rate = "not tested"
    if test is not None:
        found = test.flip_rate
        rate = f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    return (
        formats.short(alarm.class_name, 20),
        alarm.tier,
        str(alarm.carriers),
        rate,
        f"{100 * test.control_worst:.1f}" if test else "-",
        formats.plain(formats.p_value(alarm.p_value)),
    )


def show_drill(result: DrillResult) -> None:
    """Print what a drill would have caught: the base line, the table, a sentence per attack, what failed."""
    from whitesquare.report.common import formats
    from whitesquare.report.drill import text as drill_text

    say(formats.plain(f"{drill_text.title(result)}\n{result.base_line.sentence}\n"))
    if result.rows:
        lines = [drill_text.cells(row) for row in result.rows]
        table("What the scan would have caught", drill_text.TITLES, lines, numbers=True)
        say(f"\n{drill_text.LEGEND}\n")
    for found in result.smallest:
        say(found.sentence)
    for notice in result.notices:
        say(formats.plain(formats.short(notice, 400)))
    for failure in result.failures:
        complain(formats.plain(f"Failed: {drill_text.failure(failure)}"))
