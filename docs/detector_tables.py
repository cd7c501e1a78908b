"""The tables of docs/detectors.md from benchmarks/results/detectors.json."""

from typing import Any

from whitesquare.detectors.registry import DETECTORS
from whitesquare.learning.estimates import upper_bound

_AT = 0.01
"""Poison rate at which detectors are compared one by one."""
_VICTIMS = ("as it is", "cleansed", "oracle", "random", "clean model")
_NONE = {"mean": None, "worst": None, "n": 0}
Line = dict[str, Any]


def detector_tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the four tables by the name of their place in the page."""
    scanned = [line for line in result["scans"] if line["count"] or line["setting"] == "clean"]
    scanned.sort(key=lambda line: (line["attack"], line["poison_rate"]))
    return {
        "scan": scan_table(scanned, made_on(result)),
        "each": each_table(scanned),
        "retrain": retrain_table(scanned),
        "clean": clean_table([line for line in result["scans"] if line not in scanned]),
    }


def scan_table(lines: list[Line], made_on: str) -> str:
    """Return one row per attack and amount: the scan as a whole."""
    rows = header(
        *("attack", "poisons", "AUROC", "TPR at 1 %", "at 0.1 %", "right class", "confirmed", "largest p", "IoU"),
        *("elimination, %", "sacrifice, %", "false alarms"),
    )
    for line in lines:
        right = [of_all(line, name) if line["count"] else "-" for name in ("right_class", "confirmed")]
        false = ", ".join(f"{times(line, f'false_{tier}')} {tier}" for tier in ("confirmed", "suspicious"))
        cells = (
            f"`{line['attack']}`", amount(line), plain(figure(line, "fused.auroc")),
            share(figure(line, "fused.tpr_1")), share(figure(line, "fused.tpr_01")), *right,
            number(figure(line, "p_value")["worst"], "{:.2g}"), plain(figure(line, "iou")),
            share(figure(line, "flagged.elimination")), share(figure(line, "flagged.sacrifice")), false,
        )  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"Mean (worst) over seeds, 60,000 images; shares in per cent. {made_on}"])


def each_table(lines: list[Line]) -> str:
    """Return AUROC and time of every detector, one column per attack, at one rate."""
    chosen = [line for line in lines if line["poison_rate"] == _AT]
    rows = header("detector", *(f"`{line['attack']}`" for line in chosen), "seconds, mean")
    for name in ("fused", *DETECTORS):
        cells = [plain(figure(line, f"{name}.auroc")) for line in chosen]
        taken = [found for line in chosen if (found := figure(line, f"{name}.seconds")["mean"]) is not None]
        seconds = f"{sum(taken) / len(taken):.1f}" if taken else "-"
        rows.append(f"| `{name}` | {' | '.join(cells)} | {seconds} |")
    return "\n".join([*rows, "", f"AUROC, mean (worst) over seeds, at a poison rate of {100 * _AT:g} %."])


def retrain_table(lines: list[Line]) -> str:
    """Return what removal does: attack success and clean accuracy of victims trained afterwards."""
    rows = header("attack", "poisons", *(f"{name}: success, % / accuracy, %" for name in _VICTIMS), "n")
    for line in lines:
        if n := figure(line, "cleansed.asr")["n"]:
            found = (f"{share(figure(line, f'{name}.asr'))} / {share(figure(line, f'{name}.ca'))}" for name in _VICTIMS)
            rows.append(f"| `{line['attack']}` | {amount(line)} | {' | '.join(found)} | {n} |")
    return "\n".join([*rows, "", "Mean (worst) over seeds; cleansed: without what the scan confirmed or suspected."])


def clean_table(lines: list[Line]) -> str:
    """Return the false alarms on clean data and on hard negatives."""
    rows = header("clean data", "scans", "with a false confirmed", "with a false suspicious", "review at p <= 0.01, %")
    for line in lines:
        name, n = line["setting"], len(line["seeds"])
        confirmed, suspicious = (times(line, f"false_{tier}") for tier in ("confirmed", "suspicious"))
        cells = [name, n, confirmed, suspicious]
        if name == "clean set":
            rate, other = (f"below {100 * upper_bound(found, n):.1f} %" for found in (confirmed, suspicious))
            cells = [
                "seeds, class subsets, sizes, variants",
                n,
                f"{confirmed} (rate {rate})",
                f"{suspicious} ({other})",
            ]
        rows.append(f"| {' | '.join(map(str, cells))} | {share(figure(line, 'review_fpr'))} |")
    return "\n".join([*rows, "", "Bounds: Clopper and Pearson, one-sided, 95 %. In brackets: the highest."])


def header(*titles: str) -> list[str]:
    """Return the first two lines of a Markdown table."""
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]


def figure(line: Line, name: str) -> dict[str, Any]:
    """Return mean, worst and n of a figure."""
    return line["figures"].get(name, _NONE)


def times(line: Line, name: str) -> int:
    """Return in how many scans a figure of 1 or 0 was 1."""
    found = figure(line, name)
    return round(found["mean"] * found["n"])


def of_all(line: Line, name: str) -> str:
    """Write in how many of all scans that was so."""
    return f"{times(line, name)}/{len(line['seeds'])}"


def amount(line: Line) -> str:
    """Write how much is poisoned."""
    return f"{100 * line['poison_rate']:.3g} %"


def number(value: float | None, form: str) -> str:
    """Write a number, or a dash where there is none."""
    return "-" if value is None else form.format(value)


def plain(found: dict[str, Any]) -> str:
    """Write mean and worst of a figure in [0, 1]."""
    return "-" if found["mean"] is None else f"{found['mean']:.3f} ({found['worst']:.3f})"


def share(found: dict[str, Any]) -> str:
    """Write mean and worst in per cent."""
    return "-" if found["mean"] is None else f"{100 * found['mean']:.1f} ({100 * found['worst']:.1f})"


def made_on(result: dict[str, Any]) -> str:
    """Say where the numbers come from."""
    machine, versions = result["machine"], result["versions"]
    accelerator = f", {machine['accelerator']}" if "accelerator" in machine else ""
    return f"{machine['processor']}, {machine['cores']} cores{accelerator}, torch {versions['torch']}."
