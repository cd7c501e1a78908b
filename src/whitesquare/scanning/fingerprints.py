"""What makes a finding the same finding: rule, class, the content of its samples, and where it is waived the data."""

from collections.abc import Iterable, Mapping, Sequence

from whitesquare._base.fingerprints import fingerprint
from whitesquare.errors import DataError
from whitesquare.scanning.types import Flag, ScanResult

Group = tuple[int, str]
"""A class (a label) and a rule."""


def flags_by_group(flagged: Iterable[Flag]) -> dict[Group, list[Flag]]:
    """Return the flags of every class (a label) and rule, in their order."""
    groups: dict[Group, list[Flag]] = {}
    for flag in flagged:
        groups.setdefault((flag.label, flag.rule_id), []).append(flag)
    return groups


def fingerprints(result: ScanResult, contents: Mapping[str, str], root: str = "") -> dict[Group, str]:
    """Return the fingerprint of what each rule says about each class.

    Args:
        result: what was found.
        contents: SHA-256 of the content of every flagged sample, by id.
        root: of what was scanned, where the data are attested.

    Raises:
        DataError: the digest of a flagged sample is missing.
    """
    flags = flags_by_group(result.flagged)
    names = {row.label: row.name for row in result.classes} | {one.label: one.class_name for one in result.alarms}
    found = {}
    for label, rule_id in dict.fromkeys([*((one.label, one.rule_id) for one in result.alarms), *flags]):
        mine = flags.get((label, rule_id), [])
        within = root or ("" if mine else result.digest)
        name = names.get(label, str(label))
        found[label, rule_id] = group_fingerprint(rule_id, name, mine, contents, within)
    return found


def group_fingerprint(
    rule_id: str, class_name: str, flags: Sequence[Flag], contents: Mapping[str, str], within: str
) -> str:
    """Return the fingerprint of what one rule says about one class.

    Args:
        rule_id: the rule.
        class_name: the class.
        flags: the samples that it flagged.
        contents: SHA-256 of the content of every flagged sample (see ``ImageDataset.content``), by id.
        within: root of what was scanned; empty for a fingerprint that is to outlive any change of other samples.

    Raises:
        DataError: the digest of a flagged sample is missing.
    """
    try:
        digests = [contents[flag.id] for flag in flags]
    except KeyError as error:
        raise DataError(f"The content digest of the flagged sample {error.args[0]!r} is missing.") from error
    return fingerprint(rule_id, class_name, digests, within)
