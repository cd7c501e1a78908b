"""What makes a finding the same finding: rule, class, the content of its samples, and where it is waived the data."""

from collections.abc import Iterable, Mapping, Sequence

from whitesquare._base.fingerprints import fingerprint
from whitesquare.errors import DataError
from whitesquare.scanning.types import Flag


def flags_by_group(flagged: Iterable[Flag]) -> dict[tuple[int, str], list[Flag]]:
    """Return the flags of every class (a label) and rule, in their order."""
    groups: dict[tuple[int, str], list[Flag]] = {}
    for flag in flagged:
        groups.setdefault((flag.label, flag.rule_id), []).append(flag)
    return groups


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
