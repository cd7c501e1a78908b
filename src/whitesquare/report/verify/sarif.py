"""A verification as SARIF 2.1.0, for code scanning: one result per kind of change and class, samples as locations.

A result keeps its fingerprint wherever the samples lie: it is made of rule, class and what their content was and is.
"""

from collections.abc import Sequence

from whitesquare._base.fingerprints import fingerprint
from whitesquare._base.taxonomy import DATA_POISONING, ERODE_DATASET_INTEGRITY, POISON_TRAINING_DATA, tags
from whitesquare.provenance.changes import Group, read_groups
from whitesquare.provenance.types import Change
from whitesquare.provenance.verify import Verification
from whitesquare.report.common import formats, sarif
from whitesquare.report.verify.text import described, headline

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
    results = [] if found.changes is None else [_group(group) for group in read_groups(found.changes, sarif.LOCATIONS)]
    if found.refused:
        results.append(_refused(found.refused))
    if not found.ok and not results:
        name = "unlike" if found.compared else "untrusted"
        results.append(_result(name, formats.short(found.reason, 1000), (), [found.manifest]))
    run = sarif.SarifRun(
        tool="whitesquare verify",
        rules=[_rule(rule) for rule in RULES],
        results=results,
        fingerprints=sarif.FINGERPRINT,
        base="DATASET",
        base_text=f"The data set verified: {formats.short(found.source, 80)}",
        headline=headline(found),
        properties={"ok": found.ok, "manifest": found.manifest, "counts": found.counts},
    )
    return sarif.write_sarif(run)


def _rule(rule: str) -> sarif.SarifRule:
    name, text, level = RULES[rule]
    help = f"{text} In a terminal: whitesquare verify DATA --bundle BUNDLE --trust KEYS"
    about = tags((POISON_TRAINING_DATA, ERODE_DATASET_INTEGRITY, DATA_POISONING))
    return sarif.SarifRule(rule, name, text, text, help, level, about)


def _group(group: Group) -> sarif.SarifResult:
    samples = formats.plain(formats.plural(group.count, "sample"))
    where = f"Class {formats.short(repr(group.label), 80)}" if group.label else "Files that are no samples"
    text = f"{where}: {samples} {group.kind}, such as {formats.short(described(group.first[0]), 300)}."
    if group.count > sarif.LOCATIONS:
        text += f" The first {sarif.LOCATIONS} are listed."
    places = [_place(_id(change), described(change)) for change in group.first]
    return _result(group.kind, text, places, [group.digest], group.count, group.label)


def _refused(refused: dict[str, str]) -> sarif.SarifResult:
    ids = sorted(refused)
    places = [_place(id, refused[id]) for id in ids[: sarif.LOCATIONS]]
    text = f"{formats.short(ids[0], 200)} {formats.short(refused[ids[0]], 200)}."
    return _result("refused", text, places, ids, len(ids))


def _result(
    name: str,
    text: str,
    places: Sequence[sarif.SarifPlace],
    content: Sequence[str],
    samples: int | None = None,
    label: str | None = None,
) -> sarif.SarifResult:
    rule = _IDS[name]
    told = {"class": label, "samples": samples}
    return sarif.SarifResult(
        rule=rule,
        level=RULES[rule][2],
        text=text,
        places=places or (sarif.SarifPlace(name="data set", kind="module"),),
        fingerprint=fingerprint(rule, label or "", content),
        properties={name: value for name, value in told.items() if value is not None},
    )


def _id(change: Change) -> str:
    return change.id if change.kind == "removed" else change.new_id


def _place(id: str, text: str) -> sarif.SarifPlace:
    return sarif.SarifPlace(id, text=formats.short(text, 300))
