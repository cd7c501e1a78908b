"""The tables of docs/natural.md from natural, natural-scans, selection and clean.json of benchmarks/results."""

from collections.abc import Callable
from statistics import mean
from typing import Any

from detector_tables import header, made_on

Line = dict[str, Any]
_SETTING = ("attack", "count", "select", "trigger")


def natural_tables(
    victims: dict[str, Any], scans: dict[str, Any], selection: dict[str, Any], clean: dict[str, Any]
) -> dict[str, str]:
    """Return the tables by the name of their place in the page; kinds that were scanned once more are told once."""
    again = {_kind(line) for line in scans["scans"]}
    earlier = {**victims, "scans": [line for line in victims["scans"] if _kind(line) not in again]}
    return {
        "victims": victims_table(victims),
        "selection": selection_table(selection),
        "scans": scans_table(scans),
        "earlier": scans_table(earlier),
        "clean": clean_table(clean),
    }


def victims_table(result: dict[str, Any]) -> str:
    """Return one row per attack: success by architecture, over all, and beside victims trained on clean data."""
    names, lifts = _victims(result), _lifts(result)
    groups = _grouped([line for line in result["lines"] if line["count"]], _setting)
    rows = header("attack", "poisons", *names, "all", "least", "lift", "accuracy", "n")
    for (attack, count, select, _), lines in sorted(groups.items(), key=lambda group: _mean(group[1])):
        cells = (
            f"`{attack}`" + (f", {select}" if attack == "stamp" else ""), str(count), *_by_victim(lines, names),
            _percent([min(line["asr"]["worst"] for line in lines)]), _percent(lifts(lines)),
            _percent([line["ca"]["mean"] for line in lines]), str(sum(line["asr"]["n"] for line in lines)),
        )  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    accuracy = ", ".join(
        f"{name} {_percent([line['ca']['mean'] for line in result['lines'] if _clean(line, name)])} %" for name in names
    )
    return "\n".join(
        [*rows, "", f"Attack success, mean over three targets, per cent. Clean victims: {accuracy}. {made_on(result)}"]
    )


def selection_table(result: dict[str, Any]) -> str:
    """Return one row per attack, trigger and selection; the same targets and seeds in each."""
    names, lifts = _victims(result), _lifts(result)
    groups = _grouped([line for line in result["lines"] if line["count"]], _setting)
    rows = header("attack", "trigger", "poisons", "selected by", *names, "all", "least", "lift", "n")
    for (attack, count, select, trigger), lines in sorted(groups.items(), key=lambda group: _mean(group[1])):
        cells = (
            f"`{attack}`", f"`{_short(trigger)}`", str(count), select, *_by_victim(lines, names),
            _percent([min(line["asr"]["worst"] for line in lines)]), _percent(lifts(lines)),
            str(sum(line["asr"]["n"] for line in lines)),
        )  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"Attack success, per cent, over targets 3, 5 and 8. {made_on(result)}"])


def scans_table(result: dict[str, Any]) -> str:
    """Return one row per attack and amount: what the default scan makes of it."""
    groups = _grouped(result["scans"], lambda line: (line["attack"], line["count"]))
    rows = header(
        *("attack", "poisons", "n", "right class", "confirmed", "AUROC", "TPR at 0.1 %", "in the first 50"),
        *("poisons flagged, %", "clean flagged, %", "other classes"),
    )
    for (attack, count), lines in sorted(groups.items()):
        of = [_percent([value for line in lines if (value := _figure(line, name)) is not None]) for name in _FIGURES]
        told = [f"{sum(_figure(line, name) or 0 for line in lines):.0f}" if count else "-" for name in _TOLD]
        false = sum(len(line["false"]) for line in lines)
        seeds = str(sum(len(line["seeds"]) for line in lines))
        rows.append(f"| {' | '.join((f'`{attack}`', str(count), seeds, *told, *of, str(false)))} |")
    return "\n".join([*rows, "", made_on(result)])


def clean_table(result: dict[str, Any]) -> str:
    """Return one row per data set and way of scanning: how many scans of clean data alarmed, and what they said."""
    rows = header("data", "scans", "n", "alarmed", "of these with a harmless cause named", "confirmed")
    groups = _grouped(result["scans"], lambda line: (_way(line), line["data"].rpartition("/")[2]))
    for (way, data), lines in sorted(groups.items()):
        alarmed, unnamed, confirmed = (
            round(sum(line["figures"][name]["mean"] * line["figures"][name]["n"] for line in lines))
            for name in ("false_alarm", "false_unnamed", "false_confirmed")
        )
        n = sum(len(line["seeds"]) for line in lines)
        rows.append(f"| {data} | {way} | {n} | {alarmed} | {alarmed - unnamed} | {confirmed} |")
    return "\n".join([*rows, "", f"{made_on(result)} {result['finished']} of {result['cells']} scans."])


def patches_table(result: dict[str, Any]) -> str:
    """Return two rows per patch on photographs, without and with models: what a scan said, and whom it flagged."""
    rows = header(
        *("patch", "files", "class", "carriers", "scan", "verdict", "class alarmed, box found", "carriers flagged"),
        "others flagged",
    )
    for row in result["rows"]:
        for scan, found in row["scans"].items():
            alarms = [f"{one['class']} {one['box'] or ''}".strip() for one in found["alarms"]]
            told = [f"`{row['trigger']}`", row["form"].upper(), row["class"], row["carriers"], scan, found["verdict"]]
            told += [", ".join(alarms) or "-", found["flagged"], found["others"]]
            rows.append(f"| {' | '.join(map(str, told))} |")
    return "\n".join([*rows, "", f"n = 1 each. {made_on(result)}"])


def _way(line: Line) -> str:
    """Say what was scanned, and how."""
    kind, _, way = line["setting"].partition(", ")
    return f"{'subsets' if kind == 'clean set' else 'hard negatives'}, {way or 'with models'}"


_TOLD = ("right_class", "confirmed")
_FIGURES = ("fused.auroc", "fused.tpr_01", "fused.top_50", "flagged.elimination", "flagged.sacrifice")


def _figure(line: Line, name: str) -> float | None:
    found = line["figures"].get(name)
    return found["mean"] if found else None


def _grouped(lines: list[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return groups


def _kind(line: Line) -> tuple[Any, ...]:
    return line["attack"], line["count"]


def _victims(result: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(line["victim"] for line in result["lines"]))


def _lifts(result: dict[str, Any]) -> Callable[[list[Line]], list[float]]:
    clean = {_twin(line): line["asr"]["mean"] for line in result["lines"] if not line["count"]}
    return lambda lines: [line["asr"]["mean"] - clean[_twin(line)] for line in lines if _twin(line) in clean]


def _by_victim(lines: list[Line], names: list[str]) -> list[str]:
    """Return the success on each architecture, then on all."""
    own = [[line["asr"]["mean"] for line in lines if line["victim"] == name] for name in names]
    return [*map(_percent, own), _percent([line["asr"]["mean"] for line in lines])]


def _short(trigger: str) -> str:
    """Leave out of a trigger what it has by itself."""
    kind, _, settings = trigger.partition(":")
    usual = ("margin=1", "x=0", "y=0", "cell=1", "opacity=1.0", "corner=br")
    return f"{kind}:{','.join(one for one in settings.split(',') if one not in usual)}"


def _setting(line: Line) -> tuple[Any, ...]:
    return tuple(({**line["parameters"], **line}).get(name, "") for name in _SETTING)


def _twin(line: Line) -> tuple[Any, ...]:
    return line["trigger"], line["target"], line["victim"]


def _clean(line: Line, name: str) -> bool:
    return line["victim"] == name and not line["count"]


def _mean(lines: list[Line]) -> float:
    return -mean(line["asr"]["mean"] for line in lines)


def _percent(values: list[float]) -> str:
    return f"{100 * mean(values):.1f}" if values else "-"
