"""What an image file says of itself beside its pixels: orientation, colour profile, gamma, frames, transparency.

Two programs may show two pictures of one file that says such things. Only headers are read here, without NumPy and
without Pillow, so that what is attested and what is decoded are told the same; nothing here raises, whatever the bytes.
"""

from whitesquare.data.traits.exif import exif_orientations, xmp_orientations
from whitesquare.data.traits.found import EMPTY, MAX_PARTS, NAMES, NO_ALPHA, POINTER, Read, Traits
from whitesquare.data.traits.gif import look_at_gif
from whitesquare.data.traits.others import look_at_bmp, look_at_jpeg, look_at_tiff, look_at_webp
from whitesquare.data.traits.png import MAX_PROFILE, look_at_png

__all__ = [
    "EMPTY",
    "MAX_PARTS",
    "MAX_PROFILE",
    "NAMES",
    "POINTER",
    "Read",
    "Traits",
    "exif_orientations",
    "is_pointer",
    "look",
    "xmp_orientations",
]

_POINTER = b"version https://git-lfs"


def look(head: memoryview | bytes, read: Read) -> Traits | None:
    """Read the headers of an image file.

    Args:
        head: its first bytes, some thousand or all.
        read: gives any of its bytes.

    Returns:
        What it says; ``None`` where it says nothing, or is of no known format.
    """
    start = bytes(head[:41])
    if start[:4] == b"\x89PNG":
        # The fast path: nothing before or after the pixels.
        if start[37:] == b"IDAT" and start[25] in NO_ALPHA and start[26:29] == bytes(3):
            end = 49 + int.from_bytes(start[33:37], "big")
            if bytes(head[end : end + 4]) == b"IEND":
                return None
        kind = look_at_png
    elif start[:2] == b"\xff\xd8":
        kind = look_at_jpeg
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        kind = look_at_webp
    elif start[:2] in (b"II", b"MM"):
        kind = look_at_tiff
    elif start[:2] == b"BM":
        kind = look_at_bmp
    elif start[:3] == b"GIF":
        kind = look_at_gif
    else:
        return None
    found = Traits()
    kind(read, found)
    return found


def is_pointer(head: memoryview | bytes) -> bool:
    """Tell whether a file is what Git LFS leaves in the place of another one, by its first bytes."""
    return bytes(head[: len(_POINTER)]) == _POINTER
