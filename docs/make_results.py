"""Write the results tables of README.md and docs/ from committed measurements; with --check, compare.

``python docs/make_results.py --write`` fills the pages in. With a demo's folder, ``python docs/make_results.py out/``,
it first copies the measurement and two figures into docs/.
"""

import json
import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Any

from detector_tables import detector_tables
from natural_tables import natural_tables, patches_table
from scale_tables import attesting, checking, comparing, finding, gating, opening, scanning, sharding, signing

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
DEMO = DOCS / "results" / "demo.json"
ABLATION = DOCS.parent / "benchmarks" / "results" / "ablation.json"
REFERENCE = DOCS.parent / "benchmarks" / "results" / "reference.json"
CRAFTING = DOCS.parent / "benchmarks" / "results" / "crafting-time.json"
FAMILIES = DOCS.parent / "benchmarks" / "results" / "families.json"
SECOND = DOCS.parent / "benchmarks" / "results" / "second-dataset.json"
ART = DOCS.parent / "benchmarks" / "results" / "art.json"
DETECTORS = DOCS.parent / "benchmarks" / "results" / "detectors.json"
NATURAL = (
    *("natural", "lift", "selection", "natural-scans", "eyes", "clean", "clean-models", "clean-photographs"),
    *("eyes-grain", "clean-content"),
    *("colour-training", "colour-training-gpu"),
)
TABLES = {
    "gate": gating,
    "provenance": signing,
    "provenance-diff": comparing,
    "opening-tables": opening,
    "scan-growth": scanning,
    "sharded-scan": sharding,
    "sharded-provenance": attesting,
    "sharded-quality": finding,
    "cleanlab": checking,
    "photograph-patches": patches_table,
}
"""By the name of a result and of its table, what writes it."""


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
    if (defence := measurement["defence"]) and (after := defence["after"]):
        removed = f"{defence['poisons_removed']:,} of {defence['poisons']:,} poisons removed"
        lines.append(
            f"| {defence['row']}, scanned and cleansed | {spread(after['ca'])} | {spread(after['asr'])} | "
            f"{100 * after['asr']['worst']:.2f} | 0 | - | {removed} |"
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


def speed_table(result: dict[str, Any]) -> str:
    """Return the comparison with ART as a Markdown table."""
    lines = [
        "| network | whitesquare, s | ART, s | times faster | clean accuracy, % | to 98 %, s | of ART's training, % |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, found in result["models"].items():
        ours, art = found["runs"]["whitesquare"], found["runs"]["art"]
        ratio, share = found["times_faster"], found["to_98_as_share_of_art_three_epochs"]
        accuracy = f"{100 * middle(ours, 'ca'):.2f}, ART {100 * middle(art, 'ca'):.2f}"
        lines.append(
            f"| `{model}` | {middle(ours, 'seconds'):.1f} | {middle(art, 'seconds'):.1f} | "
            f"{ratio['median']:.1f} ({ratio['low']:.1f} to {ratio['high']:.1f}) | "
            f"{accuracy} | {middle(found['to_98'], 'seconds'):.2f} | "
            f"{100 * share['median']:.0f} ({100 * share['low']:.0f} to {100 * share['high']:.0f}) |"
        )
    machine, versions = result["machine"], result["versions"]
    n = next(iter(result["models"].values()))["times_faster"]["n"]
    lines += [
        "",
        f"Median (and range) of n = {n} interleaved repetitions; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['precision']}, torch {versions['torch']}, ART {versions['adversarial-robustness-toolbox']}.",
    ]
    return "\n".join(lines)


def leaderboard(result: dict[str, Any]) -> str:
    """Return the reference grid as a Markdown table, the strongest attack first within a victim family."""
    lines = [
        "| attack | poisons | opacity | victim | success, % | worst, % | n | clean accuracy, % | labels | readable, % "
        "| largest change |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in sorted(result["lines"], key=lambda line: (line["victim"] != "default", -line["asr"]["mean"])):
        asr, poison = line["asr"], line["poison"]
        lines.append(
            f"| `{line['attack']}` | {line['count']} | {line['parameters'].get('training_opacity', '-')} | "
            f"{line['victim']} | {spread(asr)} | {100 * asr['worst']:.2f} | {asr['n']} | "
            f"{100 * line['ca']['mean']:.2f} | {'true' if poison['clean_label'] else 'false'} | "
            f"{100 * poison['label_consistency']['value']:.1f} | {poison['linf']:.3f} |"
        )
    machine = result["machine"]
    lines += ["", f"{machine['processor']}, {machine['cores']} cores, torch {result['versions']['torch']}."]
    return "\n".join(lines)


def ablation(result: dict[str, Any]) -> str:
    """Return the ablation as a Markdown table: one row a setting, one column a victim family."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for line in result["lines"]:
        rows.setdefault(line["setting"], {})[line["victim"]] = line["asr"]
    families = list(dict.fromkeys(line["victim"] for line in result["lines"]))
    head = " | ".join(f"{name}, % | worst" for name in families)
    lines = [f"| setting | {head} |", "|---" * (1 + 2 * len(families)) + "|"]
    for setting, found in rows.items():
        cells = [f"{spread(found[name])} | {100 * found[name]['worst']:.1f}" for name in families]
        lines.append(f"| `{setting}` | {' | '.join(cells)} |")
    n = result["lines"][0]["asr"]["n"]
    return "\n".join([*lines, "", f"Attack success over n = {n} victim seeds; machine as above."])


def crafting(result: dict[str, Any]) -> str:
    """Return success against crafting time as a Markdown table, the shortest crafting of a setting first."""
    lines = ["| poisons | in training | rounds | crafting, s | success, % | worst, % | n |", "|---" * 7 + "|"]

    def order(line: dict[str, Any]) -> tuple[int, float, int]:
        return -line["count"], line["parameters"]["training_opacity"], line["parameters"]["rounds"]

    for line in sorted(result["lines"], key=order):
        asr, parameters, seconds = line["asr"], line["parameters"], line["poison"]["seconds"]
        opacity = parameters["training_opacity"]
        lines.append(
            f"| {line['count']} | {'white' if opacity == 1 else f'dim ({opacity})'} | {parameters['rounds']} | "
            f"{'-' if seconds is None else f'{seconds:.0f}'} | {spread(asr)} | {100 * asr['worst']:.2f} | {asr['n']} |"
        )
    return "\n".join(lines)


def families(result: dict[str, Any], reference: dict[str, Any]) -> str:
    """Return surrogates of four kinds beside the default attack as a Markdown table, one row a victim family."""
    lines = ["| victim | two kinds (default), % | worst, % | n | four kinds, % | worst, % | n |", "|---" * 7 + "|"]
    changed = ("surrogates", "surrogates_per_round", "ensemble")

    def rest(line: dict[str, Any]) -> tuple[object, ...]:
        kept = {name: value for name, value in line["parameters"].items() if name not in changed}
        return line["attack"], line["count"], kept

    same = rest(result["lines"][0])
    usual = {line["victim"]: line["asr"] for line in reference["lines"] if rest(line) == same}
    for line in result["lines"]:
        found = " | ".join(
            f"{spread(asr)} | {100 * asr['worst']:.2f} | {asr['n']}" for asr in (usual[line["victim"]], line["asr"])
        )
        lines.append(f"| {line['victim']} | {found} |")
    return "\n".join(lines)


def second(result: dict[str, Any]) -> str:
    """Return the second data set as a Markdown table, in the plan's order."""
    lines = [
        "| setting | success, % | worst, % | n | clean accuracy, % | labels | readable, % |",
        "|---" * 7 + "|",
    ]
    for line in result["lines"]:
        asr, poison = line["asr"], line["poison"]
        labels = "-" if poison is None else "true" if poison["clean_label"] else "false"
        readable = "-" if poison is None else f"{100 * poison['label_consistency']['value']:.1f}"
        lines.append(
            f"| `{line['setting']}` | {spread(asr)} | {100 * asr['worst']:.2f} | {asr['n']} | "
            f"{spread(line['ca'])} | {labels} | {readable} |"
        )
    return "\n".join(lines)


def middle(runs: list[dict[str, float]], name: str) -> float:
    """Return the median of one figure."""
    return median(run[name] for run in runs)


def filled(text: str, name: str, content: str) -> str:
    """Replace what stands between the markers of a table, if the page has them."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if begin not in text:
        return text
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def main(arguments: list[str]) -> None:
    """Write or check the pages."""
    check = "--check" in arguments
    for out in (Path(argument) for argument in arguments if not argument.startswith("--")):
        shutil.copy(out / "measurement.json", DEMO)
        for name in ("poisons", "accuracy-and-success"):
            shutil.copy(out / "figures" / f"{name}.png", DOCS / "images" / f"{name}.png")
    tables = {"results": table(json.loads(DEMO.read_text())), "speed": speed_table(json.loads(ART.read_text()))}
    tables["leaderboard"] = leaderboard(json.loads(REFERENCE.read_text()))
    tables["ablation"] = ablation(json.loads(ABLATION.read_text()))
    tables["crafting"] = crafting(json.loads(CRAFTING.read_text()))
    tables["families"] = families(json.loads(FAMILIES.read_text()), json.loads(REFERENCE.read_text()))
    tables["second"] = second(json.loads(SECOND.read_text()))
    scans = detector_tables(json.loads(DETECTORS.read_text()))
    tables |= {f"detectors-{name}": content for name, content in scans.items()}
    natural = natural_tables({name: json.loads((DETECTORS.parent / f"{name}.json").read_text()) for name in NATURAL})
    tables |= {f"natural-{name}": content for name, content in natural.items()}
    for name, write in TABLES.items():
        tables[name] = write(json.loads((DETECTORS.parent / f"{name}.json").read_text()))
    for path in (
        README,
        *(
            DOCS / f"{name}.md"
            for name in ("results", "leaderboard", "detectors", "natural", "gate", "provenance", "scale", "data")
        ),
    ):
        wanted = text = path.read_text()
        for name, content in tables.items():
            wanted = filled(wanted, name, content)
        if check and text != wanted:
            sys.exit(f"{path.name} is stale; run python docs/make_results.py --write")
        if not check:
            path.write_text(wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
