"""What makes a finding the same finding when files are renamed or found again."""

from collections.abc import Iterable

from whitesquare._base.hashing import digest_of


def fingerprint(rule_id: str, class_name: str, digests: Iterable[str], within: str = "") -> str:
    """Digest rule, class, and the digests of the samples' content in any order; 64 hexadecimal digits.

    Args:
        rule_id: the rule.
        class_name: the class.
        digests: of the samples, hexadecimal.
        within: root or digest of the data in which it was found; empty for a finding that is the same in any data.
    """
    place = (f"within:{within}",) if within else ()  # no digest begins like that
    return digest_of((rule_id, class_name, *place, *sorted(digests)))
