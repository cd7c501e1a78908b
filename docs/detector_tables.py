"""The tables of docs/detectors.md from benchmarks/results/detectors.json."""

from typing import Any

NOT_MEASURED = "Not measured yet: run the two commands below, then `python benchmarks/detectors.py --summarise`."
_AT = ("rate", 0.01)
"""Amount at which detectors are compared one by one."""
_VICTIMS = ("as it is", "cleansed", "oracle", "random", "clean model")


def detector_tables(result: dict[str, Any] | None) -> dict[str, str]:
    """Return the four tables by the name of their place in the page; a sentence where nothing was measured."""
    if result is None:
        return dict.fromkeys(("scan", "each", "retrain", "clean"), NOT_MEASURED)
    return {
        "scan": scan_table(result),
        "each": each_table(result),
        "retrain": retrain_table(result),
        "clean": clean_table(result),
    }


def scan_table(result: dict[str, Any]) -> str:
    """Return one row per attack and amount: the scan as a whole."""
    fused = {key(row): row for row in result["rows"] if row["detector"] == "fused"}
    lines = header(
        *("attack", "poisons", "AUROC", "TPR at 1 %", "at 0.1 %", "right class", "confirmed", "largest p", "IoU"),
        *("elimination, %", "sacrifice, %", "false alarms"),
    )
    for one in result["settings"]:
        row, poisoned = fused[key(one)], one["attack"] != "none"
        right = (f"{one['right_class']}/{one['n']}", f"{one['confirmed']}/{one['n']}") if poisoned else ("-", "-")
        false = f"{one['false_confirmed']} confirmed, {one['false_suspicious']} suspicious"
        cells = (
            f"`{one['attack']}`", amount(one), plain(row["auroc"]), share(row["tpr_1"]), share(row["tpr_01"]), *right,
            number(one["p_value"]["worst"], "{:.2g}"), plain(one["iou"]), share(one["flagged"]["elimination"]),
            share(one["flagged"]["sacrifice"]), false,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    impossible = [f"`{one['attack']}` at {amount(one)}" for one in result["impossible"]]
    lines += ["", f"Mean (worst) over seeds, {result['size']:,} images; shares in per cent. {made_on(result)}"]
    if impossible:
        lines.append(f"Impossible, because the class holds fewer images: {', '.join(impossible)}.")
    return "\n".join(lines)


def each_table(result: dict[str, Any]) -> str:
    """Return AUROC and time of every detector, one column per attack, at one rate."""
    rows = [row for row in result["rows"] if (row["unit"], row["amount"]) == _AT]
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    by_name: dict[str, dict[str, Any]] = {}
    for row in rows:
        by_name.setdefault(row["detector"], {})[row["attack"]] = row
    lines = header("detector", *(f"`{attack}`" for attack in attacks), "seconds, mean")
    for name, found in by_name.items():
        cells = [plain(found[attack]["auroc"]) if attack in found else "-" for attack in attacks]
        taken = [row["seconds"]["mean"] for row in found.values() if row["seconds"]["mean"] is not None]
        seconds = f"{sum(taken) / len(taken):.1f}" if taken else "-"
        lines.append(f"| `{name}` | {' | '.join(cells)} | {seconds} |")
    return "\n".join([*lines, "", f"AUROC, mean (worst) over seeds, at a poison rate of {100 * _AT[1]:g} %."])


def retrain_table(result: dict[str, Any]) -> str:
    """Return what removal does: attack success and clean accuracy of victims trained afterwards."""
    trained = [one for one in result["settings"] if one["retrain"]]
    if not trained:
        return "No victim was retrained; run with `--retrain`."
    lines = header("attack", "poisons", *(f"{name}: success, % / accuracy, %" for name in _VICTIMS), "n")
    for one in trained:
        cells = [f"{share(found['asr'])} / {share(found['ca'])}" for found in map(one["retrain"].get, _VICTIMS)]
        n = one["retrain"]["cleansed"]["asr"]["n"]
        lines.append(f"| `{one['attack']}` | {amount(one)} | {' | '.join(cells)} | {n} |")
    return "\n".join([*lines, "", "Mean (worst) over seeds; cleansed: without what the scan confirmed or suspected."])


def clean_table(result: dict[str, Any]) -> str:
    """Return the false alarms on clean data and on hard negatives."""
    clean = result["clean"]
    lines = header("clean data", "scans", "with a false confirmed", "with a false suspicious", "review at p <= 0.01, %")
    if clean:
        lines.append(
            f"| seeds, class subsets, sizes, variants | {clean['n']} | {clean['confirmed']} (rate below "
            f"{100 * clean['confirmed_below']:.1f} %) | {clean['suspicious']} (below "
            f"{100 * clean['suspicious_below']:.1f} %) | {share(clean['review_fpr'])} |"
        )
    for one in result["hard"]:
        lines.append(
            f"| {one['name']} | {one['n']} | {one['confirmed']} | {one['suspicious']} | {share(one['review_fpr'])} |"
        )
    return "\n".join([*lines, "", "Bounds: Clopper and Pearson, one-sided, 95 %. In brackets: the highest."])


def header(*titles: str) -> list[str]:
    """Return the first two lines of a Markdown table."""
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]


def key(one: dict[str, Any]) -> tuple[str, str, float]:
    """Return what a row is about."""
    return one["attack"], one["unit"], one["amount"]


def amount(one: dict[str, Any]) -> str:
    """Write how much is poisoned."""
    of = "" if one["unit"] == "rate" else " of the class"
    return f"{100 * one['amount']:g} %{of}"


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
    if not machine:
        return ""
    return f"{machine['processor']}, {machine['cores']} cores, torch {versions['torch']}."
