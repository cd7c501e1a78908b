"""What GIF files say of themselves."""

from whitesquare.data.traits.exif import xmp_orientations
from whitesquare.data.traits.found import MAX_PARTS, MOST, Read, Traits

_HEAD, _PICTURE = 13, 10
_PIECE = 2**16
_MOST_BLOCKS = 2**20
"""Blocks of data that are looked through; they hold 255 bytes, and 64 million pixels are no more."""


def look_at_gif(read: Read, found: Traits) -> None:
    """Look through the parts of a GIF file; its picture must fill the frame, or programs fill the rest as they like."""
    head = read(0, _HEAD)
    if len(head) < _HEAD:
        return
    palette, offset = _palette(head[10]), _HEAD + 3 * _palette(head[10])
    pictures = 0
    for _ in range(MAX_PARTS):
        kind = read(offset, 1)
        if kind == b"!":
            _extension(offset, read, found)
            offset = _behind(offset + 2, read)
        elif kind == b",":
            picture = read(offset, _PICTURE)
            pictures += 1
            if len(picture) < _PICTURE or pictures > 1:
                found.frames = pictures > 1
                return
            if picture[1:9] != bytes(4) + head[6:10]:
                found.dispute("has a picture that does not fill its frame, and programs differ in what lies beside it")
            own = _palette(picture[9])
            found.colours = own or palette
            if not found.colours:
                found.dispute("has no palette, so each program takes one of its own")
            offset = _behind(offset + _PICTURE + 3 * own + 1, read)
        else:
            found.endless = kind not in (b";", b"")
            return
        if offset < 0:
            break
    found.endless = True


def _palette(flags: int) -> int:
    """Return the number of colours that follow."""
    return 2 << (flags & 7) if flags & 0x80 else 0


def _extension(offset: int, read: Read, found: Traits) -> None:
    start = read(offset, 14)
    if start[1:2] == b"\xf9":
        found.alpha |= bool(start[3:4] and start[3] & 1)
    elif start[1:2] == b"\xff" and start[3:11] == b"XMP Data":
        found.elsewhere |= xmp_orientations(read(offset + 14, MOST))
    elif start[1:2] == b"\xff" and start[3:11] == b"ICCRGBG1":
        found.profile = True
        found.dispute("has a colour profile, which few programs obey in a GIF file")


def _behind(offset: int, read: Read) -> int:
    """Return where the blocks of data that begin there end; -1 where there are too many."""
    blocks = 0
    while piece := read(offset, _PIECE):
        at = 0
        while at < len(piece) and blocks < _MOST_BLOCKS:
            if not piece[at]:
                return offset + at + 1
            at, blocks = at + 1 + piece[at], blocks + 1
        if blocks >= _MOST_BLOCKS:
            return -1
        offset += at
    return offset
