"""What makes a finding the same finding when files are renamed or found again; needs nothing else of the package."""

import hashlib
from collections.abc import Iterable


def fingerprint(rule_id: str, class_name: str, digests: Iterable[str]) -> str:
    """Digest rule, class, and the digests of the samples' content in any order; 64 hexadecimal digits."""
    found = hashlib.sha256()
    for text in (rule_id, class_name, *sorted(digests)):
        content = text.encode("utf-8", "surrogatepass")
        found.update(len(content).to_bytes(8, "big") + content)
    return found.hexdigest()
