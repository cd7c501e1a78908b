"""A verification as SARIF 2.1.0, for code scanning: one result per kind of change and class, samples as locations.

A result keeps its fingerprint wherever the samples lie: it is made of rule, class and what their content was and is.
"""

from typing import Any

import whitesquare
from whitesquare._base.fingerprints import fingerprint
from whitesquare.provenance.changes import Group, read_groups
from whitesquare.provenance.types import Change
from whitesquare.provenance.verify import Verification
from whitesquare.report.common import formats
from whitesquare.report.common.sarif_parts import (
    BASE,
    FINGERPRINT,
    LOCATIONS,
    escape,
    safe,
    sample_uri,
    write_log,
)
from whitesquare.report.verify.text import described, headline

TAGS = ("security", "data-poisoning", "MITRE ATLAS AML.T0020", "MITRE ATLAS AML.T0059", "OWASP ML02:2023")
"""Poison Training Data, Erode Dataset Integrity, and Data Poisoning Attack."""

RULES = {
    "PV01": ("changed", "Other bytes stand under a signed name.", "error"),
    "PV02": ("added", "A file or sample is there that nobody signed.", "error"),
    "PV03": ("removed", "A signed file or sample is missing.", "error"),
    "PV04": ("relabelled", "A signed image stands in another class.", "error"),
    "PV05": ("renamed", "A signed sample has another name, or is in another split.", "warning"),
    "PV06": ("refused", "Something was not read: it is no plain file under a name of its own, or too large.", "error"),
    "PV07": (
        "untrusted",
        "The statement about the data set is not to be believed, or nothing could be compared with it.",
        "error",
    ),
    "PV08": ("unlike", "Classes or images are of another kind than the signed ones.", "error"),
}
"""By rule id, its name, what it says, and its level."""
_IDS = {name: rule for rule, (name, _, _) in RULES.items()}


def verification_sarif(found: Verification) -> str:
    """Write a verification as SARIF 2.1.0; it has no result exactly if the data set is verified."""
    driver = {
        "name": "whitesquare verify",
        "semanticVersion": whitesquare.__version__,
        "version": whitesquare.__version__,
        "rules": [_rule(rule) for rule in RULES],
    }
    results = [] if found.changes is None else [_group(group) for group in read_groups(found.changes, LOCATIONS)]
    if found.refused:
        ids = sorted(found.refused)
        places = [_place(id, found.refused[id]) for id in ids[:LOCATIONS]]
        results.append(_result("refused", f"{safe(ids[0], 200)} {safe(found.refused[ids[0]], 200)}.", places, "", ids))
        results[-1]["properties"] = {"samples": len(ids)}
    if not found.ok and not results:
        name = "unlike" if found.compared else "untrusted"
        results.append(_result(name, safe(found.reason, 1000), [], "", [found.manifest]))
    run = {
        "tool": {"driver": driver},
        "invocations": [
            {"executionSuccessful": True, "exitCodeDescription": formats.plain(safe(headline(found), 500))}
        ],
        "originalUriBaseIds": {BASE: {"description": {"text": f"The data set verified: {safe(found.source)}"}}},
        "results": results,
        "properties": {"ok": found.ok, "manifest": found.manifest, "counts": found.counts},
    }
    return write_log(run)


def _rule(rule: str) -> dict[str, Any]:
    name, text, level = RULES[rule]
    return {
        "id": rule,
        "name": name.capitalize(),
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": f"{text} In a terminal: whitesquare verify DATA --bundle BUNDLE --trust KEYS"},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": list(TAGS)},
    }


def _group(group: Group) -> dict[str, Any]:
    samples = formats.plain(formats.plural(group.count, "sample"))
    where = f"Class {safe(repr(group.label))}" if group.label else "Files that are no samples"
    text = f"{where}: {samples} {group.kind}, such as {safe(described(group.first[0]), 300)}."
    if group.count > LOCATIONS:
        text += f" The first {LOCATIONS} are listed."
    places = [_location(change) for change in group.first]
    result = _result(group.kind, text, places, group.label, [group.digest])
    result["properties"] = {"class": group.label, "samples": group.count}
    return result


def _result(name: str, text: str, places: list[dict[str, Any]], label: str, content: list[str]) -> dict[str, Any]:
    rule = _IDS[name]
    return {
        "ruleId": rule,
        "ruleIndex": list(RULES).index(rule),
        "level": RULES[rule][2],
        "message": {"text": text},
        "locations": places or [{"logicalLocations": [{"name": "data set", "kind": "module"}]}],
        "partialFingerprints": {FINGERPRINT: fingerprint(rule, label, content)},
    }


def _location(change: Change) -> dict[str, Any]:
    return _place(change.id if change.kind == "removed" else change.new_id, described(change))


def _place(id: str, text: str) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": sample_uri(id), "uriBaseId": BASE}},
        "message": {"text": escape(formats.short(text, 300))},
    }
