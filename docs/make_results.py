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
        flagged = (
            "-" if check["poisons"] is None else f"{100 * check['poisons']:.1f} (clean {100 * check['clean']:.1f})"
        )
        lines.append(
            f"| {row['name']} | {spread(row['ca'])} | {spread(row['asr'])} | {100 * row['asr']['worst']:.2f} | "
            f"{row['labels_changed']} | {'-' if readable is None else f'{100 * readable:.1f}'} | {flagged} |"
        )
    n, machine, versions = measurement["rows"][0]["ca"]["n"], measurement["machine"], measurement["versions"]
    lines += [
        "",
        f"Mean and 95 % interval (Student's t) over n = {n} victim seeds the attacker never saw; 3,000 of 60,000 "
        f"training images poisoned; success counted on the 9,020 test images outside class 0. {machine['processor']}, "
        f"{machine['cores']} cores, {machine['precision']}, torch {versions['torch']}; "
        f"{measurement['seconds']['total']:.0f} s in all, {machine['peak memory']} at the peak.",
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
    for path, content in ((README, results), (DOCS / "results.md", results)):
        wanted = filled(path.read_text(), content)
        if "--check" in arguments and path.read_text() != wanted:
            sys.exit(f"{path.name} is stale; run python docs/make_results.py --write")
        if "--check" not in arguments:
            path.write_text(wanted)


if __name__ == "__main__":
    main([argument for argument in sys.argv[1:] if argument != "--write"])
