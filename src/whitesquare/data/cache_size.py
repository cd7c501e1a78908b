"""How much disk decoded images may take: what is asked for, or what the disk has to spare."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from whitesquare._base.machine import available_memory
from whitesquare.errors import UsageError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_MEMORY_SYSTEMS = ("tmpfs", "ramfs")


@dataclass(frozen=True)
class CacheSize:
    """How many bytes of decoded images may be kept in a temporary file.

    Attributes:
        most: bytes; 0 keeps nothing.
        why: where the number is from, in words.
    """

    most: int
    why: str


def asked_size(text: str) -> CacheSize:
    """Read how many bytes are asked for: ``20G``, ``500M``, ``0``.

    Raises:
        UsageError: it is no size.
    """
    number, unit = text.strip().upper().removesuffix("B").removesuffix("I"), ""
    if number and number[-1] in _UNITS:
        number, unit = number[:-1], number[-1]
    try:
        size = float(number) * _UNITS[unit]
    except ValueError:
        size = -1.0
    if not 0 <= size < 2**60:
        raise UsageError(f"The size of the cache is {text!r:.40}; expected bytes, such as 20G, 500M or 0.")
    return CacheSize(int(size), "as was asked")


def usual_size() -> CacheSize:
    """Return half of what is free where temporary files lie, or, where that is memory, a quarter of what is free."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if _in_memory(Path(folder)):
        return CacheSize(
            min(free // 2, available_memory() // 4), f"{folder} lies in memory, of which a quarter is used"
        )
    return CacheSize(free // 2, f"half of what is free in {folder}")


def _in_memory(folder: Path) -> bool:
    """Tell whether files in a folder take memory, as far as the system says."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    mounts = {fields[1]: fields[2] for line in lines if len(fields := line.split()) > 2}
    place = folder.resolve()
    return next((mounts[str(at)] for at in (place, *place.parents) if str(at) in mounts), "") in _MEMORY_SYSTEMS
