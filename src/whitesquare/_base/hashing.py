"""One digest for lists of texts and bytes: no two lists have the same."""

import hashlib
from collections.abc import Iterable


def digest_of(parts: Iterable[str | bytes], head: bytes = b"") -> str:
    """Return the SHA-256, hexadecimal, over parts in their order, each after its length as 8 bytes, big-endian.

    Args:
        parts: texts (as UTF-8) or bytes.
        head: what comes first, to keep digests of one kind apart from those of another.
    """
    found = hashlib.sha256(head)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "big") + content)
    return found.hexdigest()
