"""What JPEG, WebP, TIFF and BMP files say of themselves."""

from whitesquare.data.traits.exif import Entry, directory, note_exif, note_orientation, number, xmp_orientations
from whitesquare.data.traits.found import MAX_PARTS, MOST, Read, Traits

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0")
"""How a TIFF file begins that everybody reads alike: big-endian BigTIFF is read as another TIFF by some."""

_XMP, _EXTRA_SAMPLES, _PROFILE = 700, 338, 34675
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_JPEG = b"Exif\0\0"
_ICC_JPEG = b"ICC_PROFILE\0"
_V4 = 108
_INDEXED_BITS = 8
_RUNS = (1, 2)
"""How a BMP file says that its pixels are run lengths, which may leave some out."""
_PROFILES_BMP = {b"DEBM": "in itself (MBED)", b"KNIL": "in another file (LINK)"}
"""Colour spaces of a BMP file that are a profile, and where that is."""


def look_at_jpeg(read: Read, found: Traits) -> None:
    """Look through the segments of a JPEG file that stand before its pixels."""
    offset, profile = 2, list[bytes]()
    for _ in range(MAX_PARTS):
        head = read(offset, 4)
        if len(head) < 4 or head[:2] in (b"\xff\xd9", b"\xff\xda"):
            _check_numbers(profile, found)
            return
        if head[0] != 0xFF or head[1] == 0:  # most programs skip what lies between two parts
            break
        if head[1] == 0xFF:  # a byte that only fills
            offset += 1
            continue
        if 0xD0 <= head[1] <= 0xD8 or head[1] == 1:  # markers without content
            offset += 2
            continue
        size = int.from_bytes(head[2:], "big")
        if head[1] == 0xE1:
            _first_application(read(offset + 4, max(0, size - 2)), found)
        elif head[1] == 0xE2:
            _second_application(read(offset + 4, max(0, size - 2)), found, profile)
        offset += 2 + size
    found.endless = True


def _first_application(data: bytes, found: Traits) -> None:
    if data[:4].lower() == b"exif":
        is_standard = data.startswith(_EXIF_JPEG)
        note_exif(data[6:] if is_standard else data[4:], found, is_standard=is_standard)
    elif data.startswith(_XMP_JPEG):
        found.elsewhere |= xmp_orientations(data)


def _second_application(data: bytes, found: Traits, profile: list[bytes]) -> None:
    if data.startswith(_ICC_JPEG):
        found.profile = True
        profile.append(data[len(_ICC_JPEG) :][:2])
    elif data.startswith(b"MPF\0"):
        found.pages = True


def _check_numbers(profile: list[bytes], found: Traits) -> None:
    """Dispute a profile unless its parts are numbered 1 to n, once each, "of n"."""
    count = len(profile)
    if sorted(profile) != [bytes((part, count)) for part in range(1, count + 1) if count < 256]:
        told = ", ".join("/".join(map(str, numbers)) for numbers in profile[:4])
        found.dispute(
            f"has a colour profile of {count} parts with the numbers {told}, of which programs take what they like; "
            f"expected 1/{count} to {count}/{count}"
        )


def look_at_webp(read: Read, found: Traits) -> None:
    """Look through the chunks of a WebP file; some viewers obey its EXIF data, and Chromium does not."""
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
            note_exif(read(offset + 8, min(size, MOST)), found, is_standard=False)
        elif kind == b"XMP ":
            found.elsewhere |= xmp_orientations(read(offset + 8, min(size, MOST)))
        offset += 8 + size + size % 2
    found.endless = True


def look_at_tiff(read: Read, found: Traits) -> None:
    """Look at the first directory of a TIFF file."""
    start = read(0, 4)
    if start not in TIFF_STARTS:
        found.dispute(f"begins with {start.hex()}, which programs read as different things; expected 49492a00, as TIFF")
    fields, more = directory(read, big=start[2:] in (b"+\0", b"\0+"))
    found.frames = more
    for entry in fields:
        note_orientation(entry, read, start[:2], found)
        _tiff_entry(entry, read, start[:2], found)


def _tiff_entry(entry: Entry, read: Read, order: bytes, found: Traits) -> None:
    if entry.tag == _PROFILE:
        found.profile = True
    elif entry.tag == _EXTRA_SAMPLES:
        found.alpha = True
    elif entry.tag == _XMP:
        found.elsewhere |= xmp_orientations(read(number(entry.value, order), min(entry.length, MOST)))


def look_at_bmp(read: Read, found: Traits) -> None:
    """Look at the header of a BMP file."""
    head = read(0, 74)
    size, bits = int.from_bytes(head[14:18], "little"), int.from_bytes(head[28:30], "little")
    if bits == 32 and head[30:31] in (b"\x03", b"\x06") and size >= 56:
        found.alpha = any(head[66:70])
    if size >= 40 and 0 < bits <= _INDEXED_BITS:
        _bmp_palette(head, bits, read(14 + size, 4 << bits), found)
    start, least = int.from_bytes(head[10:14], "little"), 14 + size + 4 * (found.colours or 0)
    if start < least and size >= 40:
        found.dispute(f"is a BMP file whose pixels begin at {start}, inside its header; expected at least {least}")
    if size >= _V4 and (place := _PROFILES_BMP.get(head[70:74])):
        found.profile = True
        found.dispute(f"is a BMP file with a colour profile {place}, which only some programs obey; expected none")


def _bmp_palette(head: bytes, bits: int, palette: bytes, found: Traits) -> None:
    """Dispute a palette with which Pillow reads other pixels than browsers: it takes greys in their order for none."""
    found.colours = colours = int.from_bytes(head[46:50], "little") or 1 << bits
    if int.from_bytes(head[30:34], "little") in _RUNS:
        found.dispute("is a compressed BMP file, whose rows programs fill up differently; expected plain pixels")
    are_levels = all(palette[i : 4 * colours : 4] == bytes(range(min(colours, 256))) for i in range(3))
    if colours > 1 << bits or (colours == 2 and bits > 1) or (are_levels and bits < _INDEXED_BITS):
        found.dispute(
            f"is a BMP file of {colours} colours and {bits} bits a pixel, of which programs make different pixels; "
            "expected other bits or colours"
        )
