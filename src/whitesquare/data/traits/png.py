"""What a PNG file says of itself."""

import zlib
from collections.abc import Callable

from whitesquare.data.traits.exif import is_named, note_exif, note_text
from whitesquare.data.traits.found import MAX_PARTS, Read, Traits

MAX_PROFILE = 2**22
"""Bytes of a colour profile; those of printers have two million."""

_LONGEST_NAME = 79
_INTENTS = 4
_INDEXED = 3
_ALPHA = (4, 6)
"""Colour types."""
_ONCE = frozenset((b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"acTL"))
"""What may stand once, before the pixels: programs take the first, the last, or none that stands elsewhere."""
_CRITICAL = frozenset((b"IHDR", b"PLTE", b"IDAT"))
_BEFORE_PALETTE = frozenset((b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP"))


def look_at_png(read: Read, found: Traits) -> None:
    """Look through the chunks of a PNG file."""
    offset, seen = 8, {b""}
    last = b""
    for _ in range(MAX_PARTS):
        head = read(offset, 8)
        kind, size = head[4:], int.from_bytes(head[:4], "big")
        if len(head) < 8 or kind == b"IEND":
            return
        _check_place(kind, last, seen, found)
        if kind == b"eXIf":
            note_exif(read(offset + 8, min(size, MAX_PROFILE)), found, is_standard=b"IDAT" not in seen)
        elif kind in _CHUNKS:
            _CHUNKS[kind](read(offset + 8, min(size, MAX_PROFILE)), found)
        seen.add(kind)
        last = kind
        offset += 12 + size
    found.endless = True


def _check_place(kind: bytes, last: bytes, seen: set[bytes], found: Traits) -> None:
    name = kind.decode("latin-1")
    if kind in _ONCE and kind in seen:
        found.dispute(f"has two {name} chunks, of which programs take the first or the last; expected one")
    elif kind not in _CRITICAL and kind[:1].isupper():
        found.dispute(f"has a chunk {name!r}, which nobody may pass over who does not know it; expected none such")
    elif kind in _ONCE and b"IDAT" in seen:
        found.dispute(f"has its {name} chunk behind the pixels, where only some programs look; expected it before them")
    elif kind in _BEFORE_PALETTE and b"PLTE" in seen:
        found.dispute(
            f"has its {name} chunk behind the palette, where only some programs look; expected it before PLTE"
        )
    elif kind == b"IDAT" and kind in seen and last != kind:
        found.dispute("has another chunk between its pixels, where some programs stop; expected IDAT chunks in a row")


def _header(data: bytes, found: Traits) -> None:
    if len(data) > 9:
        found.alpha |= data[9] in _ALPHA
        found.colours = 0 if data[9] == _INDEXED else None
    if any(data[10:12]) or data[12:] not in (b"\0", b"\1"):
        found.dispute(f"has the header {data.hex()}, whose last bytes browsers do not know; expected 0, 0, 0 or 1")


def _palette(data: bytes, found: Traits) -> None:
    if len(data) % 3:
        found.dispute(f"has a palette of {len(data)} bytes; expected three for each colour")
    if found.colours is not None:
        found.colours = len(data) // 3


def _gamma(data: bytes, found: Traits) -> None:
    found.gamma = int.from_bytes(data, "big")


def _primaries(data: bytes, found: Traits) -> None:
    found.primaries = data


def _profile(data: bytes, found: Traits) -> None:
    found.profile = True
    name, _, packed = data.partition(b"\0")
    inflate = zlib.decompressobj()
    try:
        inflate.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        is_whole = False
    else:
        is_whole = bool(inflate.unconsumed_tail) or (inflate.eof and not inflate.unused_data)
    if not (is_whole and packed[:1] == b"\0" and 0 < len(name) <= _LONGEST_NAME):
        found.dispute(
            "has a colour profile (iCCP) that some programs take and some do not; expected a name of 1 to "
            f"{_LONGEST_NAME} bytes and zlib data that end where the chunk does"
        )


def _srgb(data: bytes, found: Traits) -> None:
    found.srgb |= len(data) == 1 and data[0] < _INTENTS


def _coded(data: bytes, found: Traits) -> None:
    found.coded = data


def _frames(_: bytes, found: Traits) -> None:
    found.frames = True


def _transparent(_: bytes, found: Traits) -> None:
    found.alpha = True


def _international_text(data: bytes, found: Traits) -> None:
    name, _, rest = data.partition(b"\0")
    text = rest[2:].split(b"\0", 2)[-1]
    _text(name, text, rest[:1] == b"\x01", found)


def _plain_text(data: bytes, found: Traits) -> None:
    name, _, text = data.partition(b"\0")
    _text(name, text, False, found)


def _packed_text(data: bytes, found: Traits) -> None:
    name, _, text = data.partition(b"\0")
    _text(name, text[1:], True, found)


def _text(name: bytes, text: bytes, is_packed: bool, found: Traits) -> None:
    if is_named(name):
        note_text(name, found.inflate(text) if is_packed else text, found)


_CHUNKS: dict[bytes, Callable[[bytes, Traits], None]] = {
    b"IHDR": _header,
    b"PLTE": _palette,
    b"gAMA": _gamma,
    b"cHRM": _primaries,
    b"iCCP": _profile,
    b"sRGB": _srgb,
    b"cICP": _coded,
    b"acTL": _frames,
    b"tRNS": _transparent,
    b"iTXt": _international_text,
    b"tEXt": _plain_text,
    b"zTXt": _packed_text,
}
