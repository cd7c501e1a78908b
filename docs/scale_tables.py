"""Tables of what signing, comparing and scanning cost, and of what the gate let out, for docs/make_results.py."""

from typing import Any

_NAMES = {
    "attest": "`whitesquare attest`, the whole command",
    "attest()": "the same as a function, loaded before",
    "sha256sum": "`find \\| xargs -P2 sha256sum`, hashing alone",
    "model-signing": "`model_signing sign`",
}


def signing(result: dict[str, Any]) -> str:
    """Return the cost of attesting, and how it grows, as two Markdown tables."""
    png = result["mnist_png"]
    lines = [f"| {png['items']:,} PNG files in the page cache | median, s | range, s | n |", "|---|---|---|---|"]
    for name, found in png["seconds"].items():
        lines.append(
            f"| {_NAMES[name]} | {found['median']:.2f} | {found['low']:.2f} to {found['high']:.2f} | {found['n']} |"
        )
    faster, command, call = (
        _ratio(png[name])
        for name in ("model_signing_over_attest", "attest_over_sha256sum", "attest_call_over_sha256sum")
    )
    lines += [
        "",
        f"Interleaved, ratios within a round: {faster} times faster than model-signing {result['model_signing']}; "
        f"{command} times the time of hashing alone, {call} without the start of Python. "
        f"{png['manifest_bytes_per_item']:.0f} bytes per item (model-signing: "
        f"{png['model_signing_bytes_per_item']:.0f}), bundle {png['bundle_bytes']:,} bytes.",
        "",
        "| files | seconds | microseconds per file | peak memory, MB | with workers, MB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['items']:,} | {row['seconds']:.1f} | {row['microseconds_per_item']:.1f} | {row['peak_mb']} | "
        f"{row['peak_mb_with_children']} |"
        for row in result["growth"]
    ]
    return "\n".join([*lines, "", _machine(result)])


def comparing(result: dict[str, Any]) -> str:
    """Return the cost of a diff of two large manifests as a Markdown table."""
    lines = [
        f"| {result['rows']:,} rows on either side | seconds | sd | n | peak memory, GB | named |",
        "|---|---|---|---|---|---|",
    ]
    for name, case in result["cases"].items():
        lines.append(
            f"| {name} | {case['mean']:.1f} | {case['sd']} | {case['n']} | {case['peak_gb']:.2f} | "
            f"{sum(case['counts'].values()):,} |"
        )
    return "\n".join(lines)


def opening(result: dict[str, Any]) -> str:
    """Return what opening a million rows took, as a Markdown table."""
    lines = ["| opened | samples | seconds | peak memory, GB |", "|---|---|---|---|"]
    lines += [
        f"| `{row['form']}` | {row['rows']:,} | {row['seconds']:.1f} | {row['peak_gb']:.2f} |" for row in result["rows"]
    ]
    return "\n".join([*lines, "", f"One run each (n = 1); {_machine(result)}"])


def scanning(result: dict[str, Any]) -> str:
    """Return how a scan grows as a Markdown table."""
    lines = ["| images | mode | seconds | per image, 60,000 = 1 | peak memory, GB |", "|---|---|---|---|---|"]
    for row in result["rows"]:
        lines.append(
            f"| {row['images']:,} | {row['mode']} | {row['seconds']:.1f} | {row['per_image_vs_smallest']:.2f} | "
            f"{row['peak_gb']:.2f} |"
        )
    return "\n".join([*lines, "", _machine(result)])


_NODES, _CORES = (1, 4, 16), 16
"""Machines, and cores of each, of which it is said what they would take."""


def attesting(result: dict[str, Any]) -> str:
    """Return what attesting and verifying shards took, as a Markdown table."""
    lines = [
        "| images | shards | verb | workers | seconds | processor, s | each image, microseconds | all processes, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        lines.append(
            f"| {row['samples']:,} | {row['form']} | {row['verb']} | {row['workers']} | {row['seconds']:,.0f} | "
            f"{row['processor_seconds']:,.1f} | {1e6 * row['processor_seconds'] / row['samples']:.0f} | "
            f"{row['peak_mb_with_children']} |"
        )
    return "\n".join([*lines, "", f"One run each (n = 1); {_machine(result)}"])


def sharding(result: dict[str, Any]) -> str:
    """Return what scans in shards took, and what more machines would take, as two Markdown tables."""
    lines = [
        "| images | shards | mode | workers | groups | seconds | processor, s | each image, microseconds "
        "| all processes, GB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        lines.append(
            f"| {row['samples']:,} | {row['form']} | {row['mode']} | {row['workers']} | {row['groups']} | "
            f"{row['seconds']:,.0f} | {row['processor_seconds']:,.0f} | {row['microseconds_per_image']:,.0f} | "
            f"{row['peak_gb_of_all']:.2f} |"
        )
    last = max((row for row in result["rows"] if row["mode"] == "model-free"), key=lambda row: int(row["samples"]))
    each = last["microseconds_per_image"] / 1e6
    lines += [
        "",
        f"One run each (n = 1); {_machine(result)}",
        "",
        f"What 1,000,000 such images would take model-free, were all of it divided, on machines of {_CORES} cores:",
        "",
        "| machines | processor time, h | at best, minutes |",
        "|---|---|---|",
    ]
    hours = 1e6 * each / 3600
    lines += [f"| {nodes} | {hours:.1f} | {60 * hours / (nodes * _CORES):.1f} |" for nodes in _NODES]
    return "\n".join(lines)


def finding(result: dict[str, Any]) -> str:
    """Return what scans in shards find, against scans of one piece, as a Markdown table."""
    lines = [
        "| data | scan | images | groups | verdict | class, rule | carriers flagged | others flagged | AUROC "
        "| processor, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        alarms = ", ".join(f"{name}, {rule}" for name, _, rule in row["alarms"]) or "-"
        lines.append(
            f"| {row['data']} | in {row['how']} | {row['samples']:,} | {row['groups']} | {row['verdict']} | {alarms} | "
            f"{row['carriers_flagged']} of {row['carriers']} | {row['others_flagged']} | {row['auroc']:.4f} | "
            f"{row['processor_seconds']:.0f} |"
        )
    return "\n".join([*lines, "", f"n = 1; {_machine(result)}"])


def checking(result: dict[str, Any]) -> str:
    """Return a label check beside cleanlab's, and a scan beside cleanvision's image check, as a Markdown table."""
    labels, images = result["labels"], result["images"]
    lines = ["| work | by | seconds | processor, s | memory, GB | found |", "|---|---|---|---|---|---|"]
    for name in ("whitesquare", "cleanlab"):
        one, seconds = labels[name], labels[name]["seconds"]
        lines.append(
            f"| labels of {labels['samples']:,} samples, {labels['wrong_labels']:,} wrong | {name} | "
            f"{seconds['median']:.3f} [{seconds['low']:.3f}, {seconds['high']:.3f}] | | | AUROC {one['auroc']:.4f}, "
            f"{one['flagged']:,} flagged |"
        )
    for name in ("whitesquare", "cleanvision"):
        one = images[name]
        told = (
            images["verdict"] if name == "whitesquare" else "duplicates, dark, blurred, odd pictures: another question"
        )
        lines.append(
            f"| {images['samples']:,} PNG and JPEG files of 32 x 32 | {name} | {one['seconds']:.0f} | "
            f"{one['processor_seconds']:.0f} | {one['peak_gb_of_all']:.2f} | {told} |"
        )
    versions, turns = result["versions"], labels["cleanlab"]["seconds"]["n"]
    theirs = f"cleanlab {versions['cleanlab']}, cleanvision {versions['cleanvision']}"
    told = f"{_machine(result)[:-1]}, {theirs}; labels by turns (n = {turns}), files by either once (n = 1)."
    return "\n".join([*lines, "", told])


def gating(result: dict[str, Any]) -> str:
    """Return what the gate decided about backdoored and clean models as a Markdown table."""
    lines = [
        "| models | FAILED | released | attack success, % | clean accuracy, % | rules that failed |",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in result["models"]:
        groups.setdefault(one["case"]["attack"], []).append(one)
    for attack, ones in groups.items():
        rules = sorted({rule for one in ones for rule in one["failed"]})
        failed, released = sum(one["verdict"] == "FAILED" for one in ones), sum(one["released"] for one in ones)
        success = _span(ones, "worst_of_policy_triggers" if attack == "clean" else "asr")
        lines.append(
            f"| {len(ones)} `{attack}` | {failed} | {released} | {success} | {_span(ones, 'ca')} | "
            f"{', '.join(f'`{rule}`' for rule in rules) or '-'} |"
        )
    return "\n".join([*lines, "", f"{result['size']:,} training images, {_machine(result)}"])


def _span(ones: list[dict[str, Any]], name: str) -> str:
    values = [100 * one[name]["value"] for one in ones]
    return f"{min(values):.1f} to {max(values):.1f}"


def _ratio(found: dict[str, Any]) -> str:
    return f"{found['median']:.1f} [{found['low']:.1f}, {found['high']:.1f}]"


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, whitesquare {result['versions']['whitesquare']}."
