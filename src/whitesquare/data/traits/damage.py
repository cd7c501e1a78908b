"""Whether the file of an image is damaged, as far as that shows without decoding it; without NumPy and Pillow."""

import zlib
from collections.abc import Iterator

from whitesquare.data.traits.found import MAX_PARTS, NO_ALPHA, Read

DAMAGED = "damaged"
"""What is told of images of which a part is missing, or another one than was written."""

_PIECE = 2**20
_SUM = 4
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_MARK, _SCAN = 0xFF, 0xDA
_PNG = b"\x89PNG\r\n\x1a\n"
_PLAIN_SUM = slice(-16, -12)
"""Where the checksum of the pixels stands in a PNG file with one part of them and its end behind it."""


def is_damaged(size: int, read: Read) -> bool:
    """Tell of PNG that a part needed for its pixels is cut off or has another checksum, of JPEG that it ends early.

    A JPEG file has no checksum: of one that is as long as it was nothing is known here.

    Args:
        size: bytes of the file.
        read: gives any of them.
    """
    if read(0, len(_PNG)) == _PNG:
        return any(sum_of != said for _, sum_of, said in png_sums(read))
    end = len(_JPEG_END)
    return read(0, len(_JPEG)) == _JPEG and read(max(0, size - end), end) != _JPEG_END and _is_cut_off(read)


def _is_cut_off(read: Read) -> bool:
    """Tell whether no end follows the pixels of a JPEG file, however much else follows them, such as a film."""
    offset = len(_JPEG)
    for _ in range(MAX_PARTS):
        head = read(offset, 4)
        if len(head) < 4:
            return True
        if head[0] != _MARK or head[1] == _MARK:  # a byte that fills, or that readers pass over
            offset += 1
            continue
        offset += 2 + int.from_bytes(head[2:], "big")
        if head[1] == _SCAN:
            break
    while len(part := read(offset, _PIECE)) > 1:
        if _JPEG_END in part:
            return False
        offset += len(part) - 1
    return True


def png_sums(read: Read) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield name, computed and stated checksum of every part of a PNG file that is needed for its pixels."""
    offset = len(_PNG)
    for _ in range(MAX_PARTS):
        head = read(offset, 8)
        kind, size = head[4:], int.from_bytes(head[:4], "big")
        if len(head) < 8 or kind == b"IEND":
            return
        if kind[:1].isupper():
            found = zlib.crc32(kind)
            for at in range(offset + 8, offset + 8 + size, _PIECE):
                part = read(at, min(_PIECE, offset + 8 + size - at))
                found = zlib.crc32(part, found)
                if not part:  # whatever the size says
                    break
            yield kind.decode("latin-1"), found.to_bytes(_SUM, "big"), read(offset + 8 + size, _SUM)
        offset += 12 + size


def is_plain(content: memoryview | bytes, size: int) -> bool:
    """Tell the most common file by far at once: PNG of grey or RGB, one part of pixels, nothing before or after it."""
    return (
        bytes(content[37:41]) == b"IDAT"
        and size == 57 + int.from_bytes(content[33:37], "big")
        and content[0] == _PNG[0]
        and content[25] in NO_ALPHA
    )


def is_plain_damaged(content: memoryview) -> bool:
    """Tell of a plain PNG file whether the checksum of its pixels is another."""
    return zlib.crc32(content[37:-16]) != int.from_bytes(content[_PLAIN_SUM], "big")
