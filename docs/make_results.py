"""Write the results tables of README.md and docs/results.md from committed measurements; with --check, compare.

``python docs/make_results.py out/`` takes a demo's folder: it copies the measurement and two figures into docs/.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
DEMO = DOCS / "results" / "demo.json"
BENCH = DOCS.parent / "benchmarks" / "results" / "against-art.json"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def spread(found: dict[str, Any]) -> str:
    """Write mean and interval in per cent."""
    interval = "" if found["low"] is None else f" [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
    return f"{100 * found['mean']:.2f}{interval}"


def table(measurement: dict[str, Any]) -> str:
    """Return the results as a Markdown table with n, intervals and the machine."""
    lines = [
        "| data set | clean accuracy, % | attack success, % | worst, % | labels changed | readable, % | flagged, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in measurement["rows"]:
        check, readable = row["label_check"], row["label_consistency"]
        flagged = "-" if check["poisons"] is None else f"{100 * check['poisons']:.1f} (clean {100 * check['clean']:.1f})"
        lines.append(
            f"| {row['name']} | {spread(row['ca'])} | {spread(row['asr'])} | {100 * row['asr']['worst']:.2f} | "
            f"{row['labels_changed']} | {'-' if readable is None else f'{100 * readable:.1f}'} | {flagged} |"
        )
    n, machine, versions = measurement["rows"][0]["ca"]["n"], measurement["machine"], measurement["versions"]
    lines += [
        "",
        f"Mean and 95 % interval (Student's t) over n = {n} victim seeds the attacker never saw; 3,000 of 60,000 training "
        f"images poisoned; success counted on the 9,020 test images outside class 0. {machine['processor']}, "
        f"{machine['cores']} cores, {machine['precision']}, torch {versions['torch']}; "
        f"{measurement['seconds']['total']:.0f} s in all, {machine['peak memory']} at the peak.",
    ]
    return "\n".join(lines)


def bench() -> str:
    """Return the comparison with ART, if it was measured."""
    if not BENCH.is_file():
        return "Not measured yet; run `make bench`."
    found = json.loads(BENCH.read_text())
    lines = ["| model | ART, s | whitesquare, s | ratio (range over pairs) | CA of ART, % | CA of whitesquare, % |"]
    lines.append("|---|---|---|---|---|---|")
    for name, one in found["models"].items():
        ratio = one["ratio"]
        lines.append(
            f"| {name} | {one['art']['median']:.1f} | {one['whitesquare']['median']:.1f} | {ratio['median']:.1f} "
            f"[{ratio['min']:.1f}, {ratio['max']:.1f}] | {100 * one['art']['ca']:.2f} | "
            f"{100 * one['whitesquare']['ca']:.2f} |"
        )
    quick = found["quick"]
    lines += [
        "",
        f"Time to a clean accuracy above 98 % from a cold model: {quick['median']:.1f} s (lowest accuracy "
        f"{100 * quick['lowest_ca']:.2f} %), {quick['share_of_art']:.2f} of ART's three epochs on the same network.",
        "",
        f"n = {found['n']} interleaved pairs; {found['machine']['processor']}, {found['machine']['cores']} cores, "
        f"{found['machine']['precision']}; ART {found['art_version']}, torch {found['versions']['torch']}. "
        f"Goal: 8 times; {'reached' if found['goal_reached'] else 'not reached, see below'}.",
    ]
    return "\n".join(lines)


def filled(text: str, content: str) -> str:
    """Replace what stands between the markers."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{content}\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> None:
    """Write or check the pages."""
    if arguments and arguments[0] != "--check":
        out = Path(arguments[0])
        shutil.copy(out / "measurement.json", DEMO)
        for name in ("poisons", "accuracy-and-success"):
            shutil.copy(out / "figures" / f"{name}.png", DOCS / "images" / f"{name}.png")
    results = table(json.loads(DEMO.read_text()))
    for path, content in ((README, results), (DOCS / "results.md", results), (DOCS / "speed.md", bench())):
        wanted = filled(path.read_text(), content)
        if "--check" in arguments and path.read_text() != wanted:
            sys.exit(f"{path.name} is stale; run python docs/make_results.py --write")
        if "--check" not in arguments:
            path.write_text(wanted)


if __name__ == "__main__":
    main([argument for argument in sys.argv[1:] if argument != "--write"])
