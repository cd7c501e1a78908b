"""Image files of which browsers and Pillow make two pictures are refused: odd EXIF, profiles, palettes, chunks."""

import base64
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.report.chromium import NAMES, browser, find
from whitesquare.data.decode import decode_image
from whitesquare.errors import DataError
from whitesquare.traits import look

from .test_shown import COLOUR, GREY, chunk, png_with, swapped_srgb, traits

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged EXIF data and animations

SIX = b"\0\6\0\0"
ENTRY = (274, 3, 1, SIX)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE_PRIMARIES = struct.pack(">8I", 31270, 32900, 73470, 26530, 11500, 82600, 15700, 1800)
GAMMA = (b"gAMA", struct.pack(">I", 45_455))


def block(*entries, start=b"MM\0*", big=False):
    """EXIF data with one directory."""
    if big:
        head, form = start + struct.pack(">HHQQ", 8, 0, 16, len(entries)), ">HHQ"
    else:
        head, form = start + struct.pack(">IH", 8, len(entries)), ">HHI"
    return head + b"".join(struct.pack(form, *entry[:3]) + entry[3] for entry in entries) + bytes(8)


STANDARD = block(ENTRY)
BLOCKS = {
    "as it should be": STANDARD,
    "no value": block((274, 3, 0, SIX)),
    "two values": block((274, 3, 2, SIX)),
    "values elsewhere": block((274, 3, 3, b"\0\0\0\x1e")) + SIX,
    "a byte": block((274, 1, 1, b"\6\0\0\0")),
    "a long": block((274, 4, 1, b"\0\0\0\6")),
    "a signed byte": block((274, 6, 1, b"\6\0\0\0")),
    "a signed short": block((274, 8, 1, SIX)),
    "a signed long": block((274, 9, 1, b"\0\0\0\6")),
    "a text": block((274, 2, 1, b"\6\0\0\0")),
    "no type": block((274, 0, 1, SIX)),
    "a header turned round": block(ENTRY, start=b"MM*\0"),
    "a header of BigTIFF": block((274, 3, 1, SIX + bytes(4)), start=b"MM\0+", big=True),
    "a header of BigTIFF before TIFF": block(ENTRY, start=b"MM\0+"),
    "another number": block(ENTRY, start=b"MM\0U"),
    "a prefix": b"Exif\0\0" + STANDARD,
    "a byte before": b"\0" + STANDARD,
    "twice": block(ENTRY, (274, 3, 1, b"\0\1\0\0")),
    "cut off": STANDARD[:-4],
}
"""EXIF data that say 6, in more or less odd a way."""


def encoded(kind, pixels=COLOUR, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_with(*segments, pixels=COLOUR):
    """A JPEG file with more segments, each its marker and content."""
    content = encoded("JPEG", pixels, quality=95)
    parts = [bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data for marker, data in segments]
    return content[:2] + b"".join(parts) + content[2:]


def riff(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp_with(data, *, flags=8, is_inside=True, is_extended=True):
    head = riff(b"VP8X", struct.pack("<I", flags) + b"\x0f\0\0\7\0\0") if is_extended else b""
    exif = riff(b"EXIF", data)
    inside = b"WEBP" + head + encoded("WEBP", lossless=True)[12:] + (exif if is_inside else b"")
    return riff(b"RIFF", inside) + (b"" if is_inside else exif)


PLACES = {
    "png behind the pixels": png_with((b"eXIf", STANDARD), after=True, pixels=COLOUR),
    "png second": png_with((b"eXIf", block()), (b"eXIf", STANDARD), pixels=COLOUR),
    "jpeg second": jpeg_with((0xE1, b"Exif\0\0" + block()), (0xE1, b"Exif\0\0" + STANDARD)),
    "jpeg another name": jpeg_with((0xE1, b"Exif\0\xff" + STANDARD)),
    "jpeg another segment": jpeg_with((0xE2, b"Exif\0\0" + STANDARD)),
    "webp without the flag": webp_with(STANDARD, flags=0),
    "webp without the header": webp_with(STANDARD, is_extended=False),
    "webp behind its end": webp_with(STANDARD, is_inside=False),
}
"""The standard's EXIF data, where they should not be."""


def files():
    """All of them, by name: its first word is the format."""
    for name, data in BLOCKS.items():
        yield f"png {name}", png_with((b"eXIf", data), pixels=COLOUR)
        yield f"jpeg {name}", jpeg_with((0xE1, b"Exif\0\0" + data))
        yield f"webp {name}", webp_with(data)
    yield from PLACES.items()


FILES = dict(files())
UNREADABLE = ("no type", "a text", "another number")
"""Nobody is known to read these."""


def read(content, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    return decode_image(path)


@pytest.mark.parametrize("name", FILES)
def test_an_odd_orientation_is_refused_and_the_standard_one_applied(tmp_path, name):
    kind, _, how = name.partition(" ")
    if kind != "webp" and how in ("as it should be", "cut off"):
        assert read(FILES[name], tmp_path).shape == (3, 16, 8)
    elif name == "jpeg another segment":  # that of colour profiles, where nobody looks for it
        assert read(FILES[name], tmp_path).shape == (3, 8, 16)
    else:
        with pytest.raises(DataError, match=r"viewers disagree about it"):
            read(FILES[name], tmp_path)
        assert traits(FILES[name]) == ["orientation"]


def test_chromium_shows_what_is_read(tmp_path):
    """Every file is shown as it is read, or is refused."""
    if (program := find()) is None:
        if os.environ.get("WHITESQUARE_ALLOW_NO_BROWSER") == "1":
            pytest.skip("no Chromium, and WHITESQUARE_ALLOW_NO_BROWSER=1")
        pytest.fail(f"No browser found ({', '.join(NAMES)}); install one, or set WHITESQUARE_ALLOW_NO_BROWSER=1.")
    show = (
        "new Promise(done => {{ const image = new Image(); image.onerror = () => done(null); image.onload = () => "
        "done([image.naturalHeight, image.naturalWidth]); image.src = 'data:image/{};base64,{}'; }})"
    )
    with browser(program, tmp_path / "profile") as page:
        shown = {
            name: page.run(show.format(name.split()[0], base64.b64encode(content).decode()))
            for name, content in FILES.items()
        }
    for name, content in FILES.items():
        try:
            found = read(content, tmp_path).shape[1:]
        except DataError:
            continue
        assert tuple(shown[name]) == found, name


@pytest.mark.parametrize("start", [b"II\0*", b"MM*\0", b"MM\0+"])
def test_a_tiff_file_that_programs_read_as_different_things_is_refused(tmp_path, start):
    order = ">" if start[:1] == b"M" else "<"
    content = encoded("TIFF")
    assert look(content, lambda offset, count: content[offset : offset + count]).disputed == ""
    assert content[:4] == b"II*\0"
    if order == "<":
        with pytest.raises(DataError, match="begins with 4949002a"):
            read(start + content[4:], tmp_path)
    changed = look(start + content[4:], lambda offset, count: (start + content[4:])[offset : offset + count])
    assert changed.disputed.startswith("begins with")


def packed(profile, tail=b"", name=b"x"):
    return b"iCCP", name + b"\0\0" + zlib.compress(profile) + tail


CUT = packed(SRGB)[1][:-4]
ICC = b"ICC_PROFILE\0"
COLOURS = {
    "primaries beside a gamma": (png_with(GAMMA, (b"cHRM", WIDE_PRIMARIES), pixels=COLOUR), "states the primaries"),
    "primaries alone": (png_with((b"cHRM", WIDE_PRIMARIES), pixels=COLOUR), "states the primaries"),
    "profile behind the pixels": (png_with(packed(SRGB), after=True, pixels=COLOUR), "iCCP chunk behind the pixels"),
    "profile behind the palette": (png_with((b"PLTE", b"abc"), packed(SRGB), pixels=COLOUR), "behind the palette"),
    "profile cut off": (png_with((b"iCCP", CUT), pixels=COLOUR), "some programs take"),
    "profile with a tail": (png_with(packed(SRGB, b"x"), pixels=COLOUR), "some programs take"),
    "profile without a name": (png_with(packed(SRGB, name=b""), pixels=COLOUR), "some programs take"),
    "profile of a long name": (png_with(packed(SRGB, name=b"x" * 80), pixels=COLOUR), "some programs take"),
    "profile beside cICP": (
        png_with((b"cICP", b"\1\x0d\0\1"), packed(swapped_srgb()), pixels=COLOUR),
        r"says that it is sRGB \(cICP\)",
    ),
    "profile beside sRGB": (
        png_with((b"sRGB", b"\0"), packed(swapped_srgb()), pixels=COLOUR),
        r"says that it is sRGB \(sRGB\)",
    ),
    "two profiles, each the first of one": (
        jpeg_with((0xE2, ICC + b"\1\1" + SRGB), (0xE2, ICC + b"\1\1" + swapped_srgb())),
        "profile of 2 parts with the numbers 1/1, 1/1",
    ),
    "a profile of two parts, one there": (jpeg_with((0xE2, ICC + b"\1\2" + SRGB)), "of 1 parts with the numbers 1/2"),
    "a profile of no number": (jpeg_with((0xE2, ICC + b"\0\0" + SRGB)), "of 1 parts with the numbers 0/0"),
}
"""By name, a file, and what is said of it."""


@pytest.mark.parametrize("name", COLOURS)
def test_colours_that_programs_disagree_about_are_refused(tmp_path, name):
    content, said = COLOURS[name]
    with pytest.raises(DataError, match=said):
        read(content, tmp_path)
    assert "profile" in traits(content)


def test_colours_that_all_agree_about_are_read(tmp_path):
    whole = COLOUR.transpose(2, 0, 1)
    for chunks in (
        [GAMMA, (b"cHRM", SRGB_PRIMARIES)],
        [(b"sRGB", b"\0"), (b"cHRM", WIDE_PRIMARIES)],
        [packed(SRGB), (b"cHRM", WIDE_PRIMARIES)],
        [(b"cICP", b"\1\x0d\0\1"), packed(SRGB)],
    ):
        assert np.array_equal(read(png_with(*chunks, pixels=COLOUR), tmp_path), whole)
    half = len(SRGB) // 2
    two = jpeg_with((0xE2, ICC + b"\2\2" + SRGB[half:]), (0xE2, ICC + b"\1\2" + SRGB[:half]))
    assert np.array_equal(read(two, tmp_path), read(jpeg_with(), tmp_path))


def spoilt(place, value):
    content = swapped_srgb()
    return content[:place] + value + content[place + len(value) :]


def with_tables(*names):
    """The profile of sRGB with more entries in its table, all of which lead to its red."""
    (count,) = struct.unpack_from(">I", SRGB, 128)
    parts = [SRGB[at : at + 12] for at in range(132, 132 + 12 * count, 12)]
    more = 12 * len(names)
    moved = [part[:4] + struct.pack(">I", int.from_bytes(part[4:8], "big") + more) + part[8:] for part in parts]
    red, blue = (next(part for part in moved if part[:4] == name)[4:] for name in (b"rXYZ", b"bXYZ"))
    entries = b"".join([*moved, *(name + (red if name == names[0] else blue) for name in names)])
    head = struct.pack(">I", len(SRGB) + more) + SRGB[4:128] + struct.pack(">I", count + len(names))
    return head + entries + SRGB[132 + 12 * count :]


PROFILES = {
    "cut off": (swapped_srgb()[:-4], "has 584 bytes and says 588"),
    "of another white": (spoilt(68, bytes(12)), "states the white 0.0000"),
    "with a part outside": (spoilt(132 + 4, b"\0\1\0\0"), "parts that lie outside"),
    "with a colour cut off": (spoilt(132 + 8 + 12 * 4, struct.pack(">I", 8)), "parts that are cut off"),
    "with another green": (spoilt(SRGB.index(b"XYZ ", 500) + 12, b"\0\1\0\0"), "a colour profile that makes"),
    "with another curve": (spoilt(SRGB.index(b"para") + 16, b"\0\0\x0e\0"), "a colour profile that makes"),
    "with a curve without a start": (spoilt(SRGB.index(b"para") + 9, b"\1"), "a curve that does not begin at nothing"),
    "with a negative start": (spoilt(SRGB.index(b"para") + 28, b"\x96"), "a curve that does not begin at nothing"),
    "with a curve of no kind": (spoilt(SRGB.index(b"para") + 9, b"\7"), "colour profile that"),
    "with two tables": (with_tables(b"A2B0", b"A2B1"), "different tables"),
    "with a table of the second kind": (with_tables(b"A2B1"), "different tables"),
    "with a table of numbers": (with_tables(b"D2B1"), "different tables"),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_browsers_pass_over_or_read_otherwise_is_refused(tmp_path, kind, name):
    profile, said = PROFILES[name]
    with pytest.raises(DataError, match=said):
        read(encoded(kind, icc_profile=profile), tmp_path)


@pytest.mark.parametrize("kind", [b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"acTL"])
def test_a_chunk_that_stands_twice_or_behind_the_pixels_is_refused(tmp_path, kind):
    name = kind.decode()
    for content, said in (
        (png_with((kind, bytes(32)), (kind, bytes(32))), f"has two {name} chunks"),
        (png_with((kind, bytes(32)), after=True), f"has its {name} chunk behind the pixels"),
    ):
        assert look(content, lambda offset, count, of=content: of[offset : offset + count]).disputed.startswith(said)
        with pytest.raises(DataError):
            read(content, tmp_path)


def test_pixels_in_two_places_are_refused(tmp_path):
    packed_rows = zlib.compress(b"".join(b"\0" + bytes(row) for row in GREY.tolist()))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 8, 8, 0, 0, 0, 0))
    parts = (b"IDAT", packed_rows[:9]), (b"tEXt", b"a\0b"), (b"IDAT", packed_rows[9:])
    content = b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*part) for part in parts) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="another chunk between its pixels"):
        read(content, tmp_path)


def indexed_png(index, *palettes):
    rows = zlib.compress((b"\0" + bytes([index] * 4)) * 4)
    parts = (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0)), *((b"PLTE", one) for one in palettes)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in (*parts, (b"IDAT", rows), (b"IEND", b"")))


def bmp(palette, index, *, space=b"", bits=8):
    """Four by four pixels of one index, or with a colour space in a header of version 5."""
    size = 124 if space else 40
    pixels = bytes([index] * 4 * (bits // 8)) * 4
    head = struct.pack("<IiiHHIIiiII", size, 4, 4, 1, bits, 0, len(pixels), 0, 0, len(palette) // 4, 0)
    head = (head + bytes(16) + space)[:size].ljust(size, b"\0") + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


GREYS, RED = b"".join(bytes([i, i, i, 0]) for i in range(100)), b"\0\0\0\xc8\0\0"
PALETTES = {
    "beyond": (indexed_png(2, RED), "a pixel of the colour 2, expected at most 1"),
    "two": (indexed_png(1, RED, RED[::-1]), "has two PLTE chunks"),
    "none": (indexed_png(1), "a pixel of the colour 1, expected at most -1"),
    "odd": (indexed_png(1, RED + b"x"), "has a palette of 7 bytes"),
    "of a BMP file": (bmp(bytes(4) + b"\0\0\xc8\0" + b"\xff\0\0\0", 5), "a pixel of the colour 5, expected at most 2"),
    "of greys of a BMP file": (bmp(GREYS, 200), "a pixel of the colour 200, expected at most 99"),
    "of more colours than bits": (bmp(GREYS, 0).replace(b"\1\0\x08\0", b"\1\0\4\0"), "of 100 colours and 4 bits"),
    "of greys and four bits": (bmp(GREYS[:64], 0).replace(b"\1\0\x08\0", b"\1\0\4\0"), "of 16 colours and 4 bits"),
    "of one grey and one bit": (bmp(GREYS[:4], 0).replace(b"\1\0\x08\0", b"\1\0\1\0"), "of 1 colours and 1 bits"),
    "of two colours and eight bits": (bmp(b"\0\0\0\0\xff\xff\xff\0", 1), "of 2 colours and 8 bits a pixel"),
}


@pytest.mark.parametrize("name", PALETTES)
def test_a_pixel_that_the_palette_does_not_know_is_refused(tmp_path, name):
    content, said = PALETTES[name]
    with pytest.raises(DataError, match=said):
        read(content, tmp_path)


def test_the_last_colour_of_a_palette_is_read(tmp_path):
    assert read(indexed_png(1, RED), tmp_path)[:, 0, 0].tolist() == [200, 0, 0]
    assert read(bmp(GREYS, 99), tmp_path)[:, 0, 0].tolist() == [99]
    assert read(encoded("BMP", GREY), tmp_path).shape == (1, 8, 16)


def test_rows_that_programs_fill_up_differently_are_refused(tmp_path):
    """Run lengths of BMP may leave pixels out."""
    content = bytearray(bmp(GREYS, 9))
    content[30] = 1
    with pytest.raises(DataError, match="compressed BMP file"):
        read(bytes(content), tmp_path)


@pytest.mark.parametrize("place", [10, 11, 12])
def test_a_png_file_packed_in_an_unknown_way_is_refused(tmp_path, place):
    content = bytearray(png_with())
    content[16 + place] = 2
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(DataError, match=r"has the header [0-9a-f]+, whose last|cannot be decoded"):
        read(bytes(content), tmp_path)


@pytest.mark.parametrize("start", [0, 14, 453])
def test_pixels_of_a_bmp_file_that_begin_in_its_header_are_refused(tmp_path, start):
    content = bmp(GREYS, 9)
    assert content[10:14] == struct.pack("<I", 454)
    with pytest.raises(DataError, match=f"pixels begin at {start}, .* at least 454"):
        read(content[:10] + struct.pack("<I", start) + content[14:], tmp_path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("is_interlaced", [0, 1])
def test_a_png_file_that_ends_before_its_last_pixel_is_refused(tmp_path, bits, is_interlaced):
    """Browsers show what is behind it there, and Pillow makes it black."""
    size = 13
    head = struct.pack(">IIBBBBB", size, size, bits, 0, 0, 0, is_interlaced)
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    passes = steps if is_interlaced else [(0, 0, 1, 1)]
    rows = sum(len(range(y, size, dy)) * (1 + -(-len(range(x, size, dx)) * bits // 8)) for x, y, dx, dy in passes)
    last = 1 + -(-size * bits // 8)
    for count in (rows, rows - last):
        parts = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(count))), (b"IEND", b"")
        content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in parts)
        if count == rows:
            assert read(content, tmp_path).shape == (1, size, size)
        else:
            with pytest.raises(DataError, match=f"found {count} bytes of pixels, expected {rows}"):
                read(content, tmp_path)


def test_a_chunk_that_is_said_to_be_needed_and_nobody_knows_is_refused(tmp_path):
    with pytest.raises(DataError, match="has a chunk 'ABCD'"):
        read(png_with((b"ABCD", b"")), tmp_path)
    assert read(png_with((b"abCD", b"")), tmp_path).shape == (1, 8, 16)


@pytest.mark.parametrize(("space", "name"), [(b"DEBM", "MBED"), (b"KNIL", "LINK")])
def test_a_profile_of_a_bmp_file_is_refused(tmp_path, space, name):
    content = bmp(b"", 9, space=space, bits=24)
    with pytest.raises(DataError, match=rf"colour profile in .* \({name}\)"):
        read(content, tmp_path)
    assert traits(content) == ["profile"]
    for known in (b"BGRs", b" niW"):
        assert read(bmp(b"", 9, space=known, bits=24), tmp_path)[:, 0, 0].tolist() == [9, 9, 9]
