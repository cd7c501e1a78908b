"""Marks and heads to decide with."""

from hashlib import sha256
from typing import Any

from whitesquare.deciding.types import Mark, ReviewHead

HEAD = ReviewHead(scan="a1" * 32, dataset="b2" * 32, source="photos")
CONTENT = sha256(b"a picture").hexdigest()


def mark(id: str = "cat/1.png", choice: str = "keep", by: str = "ann", **changes: Any) -> Mark:
    said = {"content": CONTENT, "at": "2026-06-01T12:00:00Z"} | changes
    return Mark(id=id, choice=choice, by=by, **said)
