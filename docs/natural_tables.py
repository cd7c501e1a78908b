"""The tables of docs/natural.md from what benchmarks/results holds of natural images."""

from collections.abc import Callable
from statistics import mean
from typing import Any

from detector_tables import header, made_on

Line = dict[str, Any]
_SETTING = ("attack", "count", "select", "trigger")


def natural_tables(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the tables by the name of their place in the page, from results by their names."""
    return {
        "training": training_table(found["colour-training"], found["colour-training-gpu"]),
        "victims": victims_table(found["natural"]),
        "lift": lift_table(found["lift"]),
        "selection": selection_table(found["selection"]),
        "scans": scans_table(found["natural-scans"]),
        "cleansed": cleansed_table(found["natural-scans"]),
        "eyes": eyes_table(found["eyes"]),
        "eyes-grain": eyes_table(found["eyes-grain"]),
        "clean-content": clean_table(found["clean-content"]),
        "clean": clean_table(*(found[name] for name in ("clean", "clean-models", "clean-photographs"))),
    }


def training_table(*results: dict[str, Any]) -> str:
    """Return one row per machine and number of epochs: accuracy, and what it took."""
    rows = header(
        "machine", "epochs", "accuracy on the test set, %", "mirrored as well, %", "seconds", "of its bound", "n"
    )
    for result in results:
        where = result["machine"].get("accelerator") or f"{result['machine']['cores']} cores"
        for epochs, one in result["epochs"].items():
            told = [_range(one[name]) for name in ("accuracy", "mirrored")]
            # Beside others' work, as on the GPU, times mean nothing.
            took = ["-", "-"] if "accelerator" in result["machine"] else _took(one)
            rows.append(f"| {' | '.join((where, epochs, *told, *took, str(one['accuracy']['n'])))} |")
    return "\n".join([*rows, "", " ".join(made_on(result) for result in results)])


def lift_table(result: dict[str, Any]) -> str:
    """Return one row per architecture: a learned pattern on victims that saw poisons, and on others that did not."""
    rows = header("victim", "with poisons, %", "trained on clean data, %", "lift", "least with poisons, %", "n")
    for name in (*_victims(result), None):
        of = [line for line in result["lines"] if name in (line["victim"], None)]
        poisoned, clean = ([line["asr"] for line in of if bool(line["count"]) is which] for which in (True, False))
        means = [mean(asr["mean"] for asr in some) for some in (poisoned, clean)]
        told = (name or "all", *(_percent([value]) for value in (*means, means[0] - means[1])))
        told += (_percent([min(asr["worst"] for asr in poisoned)]), str(sum(asr["n"] for asr in poisoned)))
        rows.append(f"| {' | '.join(told)} |")
    return "\n".join([*rows, "", made_on(result)])


def cleansed_table(result: dict[str, Any]) -> str:
    """Return one row per attack and target that was trained on again: success and accuracy, by what was removed."""
    ways = ("as it is", "cleansed", "oracle", "clean model")
    rows = header("attack", "poisons", "target", *(f"{way}: success, accuracy" for way in ways), "n")
    for line in result["scans"]:
        if (figures := line["figures"]).get("cleansed.asr"):
            told = [
                f"{_percent([figures[f'{way}.asr']['mean']])}, {_percent([figures[f'{way}.ca']['mean']])}"
                for way in ways
            ]
            about = (f"`{line['attack']}`", line["count"], line["target"], *told, figures["cleansed.asr"]["n"])
            rows.append(f"| {' | '.join(map(str, about))} |")
    return "\n".join([*rows, "", made_on(result)])


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
        of = [_percent(_known(lines, name)) for name in _FIGURES]
        told = [f"{sum(_figure(line, name) or 0 for line in lines):.0f}" if count else "-" for name in _TOLD]
        false = sum(len(line["false"]) for line in lines)
        seeds = str(sum(len(line["seeds"]) for line in lines))
        rows.append(f"| {' | '.join((f'`{attack}`', str(count), seeds, *told, *of, str(false)))} |")
    return "\n".join([*rows, "", made_on(result)])


def eyes_table(result: dict[str, Any]) -> str:
    """Return one row per attack, trigger and amount: what is seen of it without a model."""
    names = [name for name in _FIGURES if name != "fused.auroc"]
    rows = header(
        *("attack", "poisons", "n", "right class", "AUROC, least", "TPR at 0.1 %", "in the first 50"),
        *("poisons flagged, %", "least", "clean flagged, %", "other classes"),
    )
    groups = _grouped(result["scans"], lambda line: (line["attack"], _trigger(line), line["count"]))
    for (attack, trigger, count), lines in sorted(groups.items()):
        means = [_percent(_known(lines, name)) for name in names]
        least = [_least(lines, name) for name in ("fused.auroc", "flagged.elimination")]
        right = f"{sum(_figure(line, 'right_class') or 0 for line in lines):.0f}" if count else "-"
        told = (
            f"`{attack}`" + f", `{trigger}`" * bool(trigger),
            str(count),
            str(sum(len(line["seeds"]) for line in lines)),
        )
        told += (right, least[0], *means[:3], least[1], means[3], str(sum(len(line["false"]) for line in lines)))
        rows.append(f"| {' | '.join(told)} |")
    return "\n".join([*rows, "", made_on(result)])


def clean_table(*results: dict[str, Any]) -> str:
    """Return one row per data set and way of scanning: how many scans of clean data alarmed, and what they said."""
    rows = header("data", "scans", "n", "alarmed", "of these with a harmless cause named", "confirmed")
    lines = [line for result in results for line in result["scans"]]
    groups = _grouped(lines, lambda line: (_way(line), line["data"].rpartition("/")[2]))
    for (way, data), group in sorted(groups.items()):
        alarmed, unnamed, confirmed = (
            round(sum(line["figures"][name]["mean"] * line["figures"][name]["n"] for line in group))
            for name in ("false_alarm", "false_unnamed", "false_confirmed")
        )
        n = sum(len(line["seeds"]) for line in group)
        rows.append(f"| {data} | {way} | {n} | {alarmed} | {alarmed - unnamed} | {confirmed} |")
    made = [f"{made_on(result)} {result['finished']} of {result['cells']} scans." for result in results]
    return "\n".join([*rows, "", " ".join(made)])


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
    what = {"clean set": "subsets", "clean": "as they are"}.get(kind, "hard negatives")
    return f"{what}, {way or 'with models'}"


_TOLD = ("right_class", "confirmed")
_FIGURES = ("fused.auroc", "fused.tpr_01", "fused.top_50", "flagged.elimination", "flagged.sacrifice")


def _trigger(line: Line) -> str:
    """Return the trigger where the plan has several for the attack, without what it has by itself."""
    named = [part for part in line["setting"].partition(", model-free")[0].split() if part.startswith("trigger=")]
    return _short(named[0].removeprefix("trigger=")) if named else ""


def _least(lines: list[Line], name: str) -> str:
    found = _known(lines, name)
    return f"{100 * min(found):.1f}" if found else "-"


def _known(lines: list[Line], name: str) -> list[float]:
    return [value for line in lines if (value := _figure(line, name)) is not None]


def _figure(line: Line, name: str) -> float | None:
    found = line["figures"].get(name)
    return found["mean"] if found else None


def _grouped(lines: list[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return groups


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
    usual = ("margin=1", "x=0", "y=0", "opacity=1.0", "corner=br", "seed=0", "value=255")
    usual += ("cell=0",) if kind == "random-patch" else ("cell=1",)
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


def _range(found: dict[str, Any]) -> str:
    """Write the median, and the extremes where there are several values."""
    return f"{found['median']:.1f}" + (f" ({found['low']:.1f} to {found['high']:.1f})" if found["n"] > 1 else "")


def _took(found: dict[str, Any]) -> list[str]:
    return [f"{found['seconds']['median']:.0f}", f"{found['over_bound']['median']:.2f}"]
