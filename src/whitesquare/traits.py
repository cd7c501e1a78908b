"""What an image file says of itself beside its pixels: orientation, colour profile, gamma, frames, transparency.

Two programs may show two pictures of one file that says such things. Only headers are read here, without NumPy and
without Pillow, so that what is attested and what is decoded are told the same; nothing here raises, whatever the bytes.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Read = Callable[[int, int], bytes]
"""``read(offset, count)``: bytes of the file; fewer where it ends."""

NAMES = ("orientation", "profile", "gamma", "frames", "alpha")
"""What :meth:`Traits.names` tells."""
MAX_PARTS = 65_536
"""Chunks or segments that are looked through; no sound file of 64 million pixels has more."""

_ORIENTATION, _XMP, _EXTRA_SAMPLES, _PROFILE = 274, 700, 338, 34675
_VALUES = {1: 1, 3: 2, 4: 4}
"""TIFF types of whole numbers, by the bytes of one."""
_SHORT = 3
_IN_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9]+)")
_XMP_NAME, _EXIF_NAMES = b"XML:com.adobe.xmp", (b"Raw profile type exif", b"Raw profile type APP1")
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_MOST = 2**20
_MOST_UNPACKED = 4
_INTENTS = 4
"""Bytes of a tag that are read, or that a compressed text may become."""
_UPRIGHT = frozenset({1})
_NO_ALPHA = (0, 2, 3)
"""Colour types of PNG: grey, RGB, palette."""


@dataclass
class Traits:
    """What was found.

    Attributes:
        orientations: the values of the EXIF tag, 1 to 8, where it is there; several are a contradiction.
        elsewhere: the same of XMP and of what some programs hide EXIF data in; viewers do not agree on those.
        profile: a colour profile, or another statement of the colour space than sRGB.
        coded: the colour space as ``cICP`` names it; empty if it does not.
        gamma: of PNG, in 1/100,000; ``None`` without.
        srgb: PNG says that it is sRGB.
        frames: several pictures, of which a viewer shows one after the other, or one of them.
        pages: the same, where every viewer shows the first (a photo with a depth map or a preview).
        alpha: there may be transparent pixels.
        endless: more parts than are looked through, or something between them that not everybody skips.
        unpacked: number of compressed texts that were looked into.
    """

    orientations: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    profile: bool = False
    coded: bytes = b""
    gamma: int | None = None
    srgb: bool = False
    frames: bool = False
    pages: bool = False
    alpha: bool = False
    endless: bool = False
    unpacked: int = 0

    def names(self) -> Iterator[str]:
        """Tell which of :data:`NAMES` the file has."""
        said = (
            bool((self.orientations | self.elsewhere) - _UPRIGHT),
            self.profile or bool(self.coded),
            self.gamma is not None,
            self.frames or self.pages,
            self.alpha,
        )
        return (name for name, is_so in zip(NAMES, said, strict=True) if is_so)


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
        if start[37:] == b"IDAT" and start[25] in _NO_ALPHA:  # the fast path: nothing before or after the pixels
            end = 49 + int.from_bytes(start[33:37], "big")
            if bytes(head[end : end + 4]) == b"IEND":
                return None
        kind = _png
    elif start[:2] == b"\xff\xd8":
        kind = _jpeg
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        kind = _webp
    elif start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        kind = _tiff
    elif start[:2] == b"BM":
        kind = _bmp
    else:
        return None
    found = Traits()
    kind(read, found)
    return found


def exif_orientations(data: bytes) -> set[int]:
    """Return the orientations, 1 to 8, that a block of EXIF data states; a value that is none is not there."""
    return {value for value in _orientations(data.removeprefix(b"Exif\0\0")) if 1 <= value <= 8}


def _orientations(data: bytes) -> Iterator[int]:
    fields, _ = _directory(lambda offset, count: data[offset : offset + count])
    for tag, kind, _, value in fields:
        if tag == _ORIENTATION and kind in _VALUES:
            yield _number(value[: _VALUES[kind]], data[:2])
            if kind != _SHORT:
                yield 1  # some take it, and some only take what the standard says


def xmp_orientations(data: bytes) -> set[int]:
    """Return the orientations, 1 to 8, that XMP data state."""
    return {value for text in _IN_XMP.findall(data) if 1 <= (value := int(text[:4])) <= 8}


def _png(read: Read, found: Traits) -> None:
    offset, before = 8, True
    for _ in range(MAX_PARTS):
        head = read(offset, 8)
        kind, size = head[4:], int.from_bytes(head[:4], "big")
        if len(head) < 8 or kind == b"IEND":
            return
        if kind == b"IDAT":
            before = False
        elif kind in _PNG_CHUNKS and (before or kind in _ANYWHERE):
            _PNG_CHUNKS[kind](read(offset + 8, min(size, _MOST)), found)
        offset += 12 + size
    found.endless = True


def _png_header(data: bytes, found: Traits) -> None:
    found.alpha |= data[9:10] in (b"\x04", b"\x06")


def _png_gamma(data: bytes, found: Traits) -> None:
    found.gamma = int.from_bytes(data, "big") if found.gamma is None else 0  # two of them: nobody knows


def _png_profile(_: bytes, found: Traits) -> None:
    found.endless |= found.profile  # of two, some programs take the first and some the last
    found.profile = True


def _png_srgb(data: bytes, found: Traits) -> None:
    found.srgb |= len(data) == 1 and data[0] < _INTENTS


def _png_coded(data: bytes, found: Traits) -> None:
    found.coded += data[:4]


def _png_frames(_: bytes, found: Traits) -> None:
    found.frames = True


def _png_alpha(_: bytes, found: Traits) -> None:
    found.alpha = True


def _png_exif(data: bytes, found: Traits) -> None:
    found.orientations |= exif_orientations(data)


def _png_text(data: bytes, found: Traits) -> None:
    name, _, rest = data.partition(b"\0")
    if name == _XMP_NAME:
        compressed, text = rest[:1] == b"\x01", rest[2:].split(b"\0", 2)[-1]
        found.elsewhere |= xmp_orientations(_unpacked(text, found) if compressed else text)


def _png_plain_text(data: bytes, found: Traits) -> None:
    name, _, text = data.partition(b"\0")
    _hidden_exif(name, text, found)


def _png_packed_text(data: bytes, found: Traits) -> None:
    name, _, text = data.partition(b"\0")
    if name in _EXIF_NAMES or name == _XMP_NAME:
        _hidden_exif(name, _unpacked(text[1:], found), found)


def _hidden_exif(name: bytes, text: bytes, found: Traits) -> None:
    """Read EXIF data as ImageMagick writes them: a name, a length, then hexadecimal digits."""
    if name == _XMP_NAME:
        found.elsewhere |= xmp_orientations(text)
    if name not in _EXIF_NAMES:
        return
    try:
        data = bytes.fromhex(b"".join(text.split(b"\n", 3)[3:]).decode("ascii"))
    except ValueError:
        return
    found.elsewhere |= exif_orientations(data)


_PNG_CHUNKS: dict[bytes, Callable[[bytes, Traits], None]] = {
    b"IHDR": _png_header,
    b"gAMA": _png_gamma,
    b"iCCP": _png_profile,
    b"sRGB": _png_srgb,
    b"cICP": _png_coded,
    b"acTL": _png_frames,
    b"tRNS": _png_alpha,
    b"eXIf": _png_exif,
    b"iTXt": _png_text,
    b"tEXt": _png_plain_text,
    b"zTXt": _png_packed_text,
}
_ANYWHERE = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")


def _jpeg(read: Read, found: Traits) -> None:
    offset = 2
    for _ in range(MAX_PARTS):
        head = read(offset, 4)
        if len(head) < 4:
            return
        if head[0] != 0xFF or head[1] == 0:  # most programs skip what lies between two parts
            break
        if head[1] in (0xD9, 0xDA):
            return
        if head[1] == 0xFF:  # a byte that only fills
            offset += 1
            continue
        if 0xD0 <= head[1] <= 0xD8 or head[1] == 1:  # markers without content
            offset += 2
            continue
        size = int.from_bytes(head[2:], "big")
        if head[1] in (0xE1, 0xE2):
            _jpeg_segment(read(offset + 4, max(0, size - 2)), found)
        offset += 2 + size
    found.endless = True


def _jpeg_segment(data: bytes, found: Traits) -> None:
    if data.startswith(b"Exif\0\0"):
        found.orientations |= exif_orientations(data)
    elif data.startswith(_XMP_JPEG):
        found.elsewhere |= xmp_orientations(data)
    elif data.startswith(b"ICC_PROFILE\0"):
        found.profile = True
    elif data.startswith(b"MPF\0"):
        found.pages = True


def _webp(read: Read, found: Traits) -> None:
    offset = 12
    for _ in range(MAX_PARTS):
        head = read(offset, 8)
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < 8:
            return
        if kind == b"VP8X":
            flags = int.from_bytes(read(offset + 8, 1), "little")
            found.alpha |= bool(flags & 0x10)
            found.frames |= bool(flags & 0x02)
        elif kind == b"VP8L":
            found.alpha |= bool(int.from_bytes(read(offset + 9, 4), "little") >> 28 & 1)
        elif kind == b"ICCP":
            found.profile = True
        elif kind in (b"ANIM", b"ANMF"):
            found.frames = True
        elif kind == b"EXIF":
            found.orientations |= exif_orientations(read(offset + 8, min(size, _MOST)))
        elif kind == b"XMP ":
            found.elsewhere |= xmp_orientations(read(offset + 8, min(size, _MOST)))
        offset += 8 + size + size % 2
    found.endless = True


def _tiff(read: Read, found: Traits) -> None:
    fields, more = _directory(read)
    found.frames = more
    order = read(0, 2)
    for tag, kind, count, value in fields:
        if tag == _ORIENTATION and kind in _VALUES:
            if 1 <= (number := _number(value[: _VALUES[kind]], order)) <= 8:
                found.orientations.add(number)
        elif tag == _PROFILE:
            found.profile = True
        elif tag == _EXTRA_SAMPLES:
            found.alpha = True
        elif tag == _XMP:
            found.elsewhere |= xmp_orientations(read(_number(value, order), min(count, _MOST)))


def _directory(read: Read) -> tuple[list[tuple[int, int, int, bytes]], bool]:
    """Read the first directory of a TIFF file or of EXIF data, which are one.

    Returns:
        Tag, type, number of values and value (or where it is) of each entry; and whether another directory follows.
    """
    head = read(0, 16)
    order, big = head[:2], head[2:4] in (b"+\0", b"\0+")
    if order not in (b"II", b"MM") or not (big or head[2:4] in (b"*\0", b"\0*")):
        return [], False
    wide, step, short = (8, 20, 8) if big else (4, 12, 2)
    offset = _number(head[8:16] if big else head[4:8], order)
    count = min(_number(read(offset, short), order), MAX_PARTS)
    data = read(offset + short, count * step)
    fields = []
    for start in range(0, len(data) - step + 1, step):
        entry = data[start : start + step]
        tag, kind = _number(entry[:2], order), _number(entry[2:4], order)
        fields.append((tag, kind, _number(entry[4 : 4 + wide], order), entry[4 + wide :]))
    return fields, any(read(offset + short + count * step, wide))


def _bmp(read: Read, found: Traits) -> None:
    head = read(0, 70)
    if head[28:30] == b"\x20\0" and head[30:31] in (b"\x03", b"\x06") and int.from_bytes(head[14:18], "little") >= 56:
        found.alpha = any(head[66:70])


def _number(data: bytes, order: bytes) -> int:
    return int.from_bytes(data, "little" if order == b"II" else "big")


def _unpacked(data: bytes, found: Traits) -> bytes:
    """Inflate what may be large only in so far as it stays small, and no more than a few of them."""
    found.unpacked += 1
    if found.unpacked > _MOST_UNPACKED:
        found.endless = True
        return b""
    try:
        return zlib.decompressobj().decompress(data, _MOST)
    except zlib.error:
        return b""
