"""Decisions that are too many for a statement: a file beside it holds them, and the statement its digest.

Nothing of the file counts but by that digest: its bytes are hashed before they are parsed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from whitesquare._base.schema import build
from whitesquare._base.strictjson import strict_json
from whitesquare.errors import NothingToDoError, VerificationError
from whitesquare.provenance.evidence import HELD

MOST_BYTES = 2**28
"""A larger file is neither written nor read."""


@dataclass(frozen=True)
class SignedMark:
    """What one person says of a sample: who, as what, the choice, and the class where it is to be relabelled."""

    by: str
    role: str
    choice: str
    label: str


@dataclass(frozen=True)
class SignedDecision:
    """Where one sample stands.

    Attributes:
        id: of the sample.
        content: SHA-256 of the content that was decided on, hexadecimal.
        choice: one of ``keep``, ``remove``, ``relabel``, ``unsure``, or ``disagreed`` where people differ.
        marks: what each person says.
    """

    id: str
    content: str
    choice: str
    marks: tuple[SignedMark, ...]


@dataclass(frozen=True)
class HeldDecisions:
    """What a statement says of the file beside it that holds its decisions.

    Attributes:
        sha256: of its bytes, hexadecimal.
        bytes: their number.
        count: number of samples that are decided in it.
    """

    sha256: str
    bytes: int
    count: int


def held_text(decisions: tuple[SignedDecision, ...]) -> str:
    """Write decisions for the file, one a line: the same decisions are the same bytes."""
    lines = (json.dumps(asdict(one), separators=(",", ":"), sort_keys=True) for one in decisions)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def held_by(text: str, count: int) -> HeldDecisions:
    """Say what a statement says of the file."""
    data = text.encode()
    return HeldDecisions(hashlib.sha256(data).hexdigest(), len(data), count)


def read_held(folder: Path, said: HeldDecisions) -> tuple[SignedDecision, ...]:
    """Read the decisions beside a statement.

    Args:
        folder: in which the statement lies.
        said: what it says of the file.

    Raises:
        NothingToDoError: the file is not there.
        VerificationError: it is not the one that was signed.
    """
    path = folder / HELD
    if not path.is_file():
        raise NothingToDoError(f"There is no file {HELD}, which holds the {said.count} decisions that were signed.")
    if (size := path.stat().st_size) != said.bytes or size > MOST_BYTES:
        raise VerificationError(f"{HELD} has {size} bytes, and the one that was signed {said.bytes}: put it back.")
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != said.sha256:
        raise VerificationError(f"{HELD} is {found[:12]}, and the one that was signed {said.sha256[:12]}: put it back.")
    return build(tuple[SignedDecision, ...], strict_json(data, HELD), where=HELD, refuse=VerificationError)
