"""Palettes, chunks and pixels of which browsers and Pillow make different pictures are refused."""

import struct
import zlib

import pytest
from PIL import Image

from whitesquare.data.traits import look
from whitesquare.errors import DataError

from .test_odd_images import encoded, read
from .test_shown import GREY, chunk, png_with, traits

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged EXIF data and animations


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


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT"])
def test_a_png_file_with_another_checksum_than_it_says_is_damaged(tmp_path, kind):
    """Pillow compares none of the pixels; torchvision and OpenCV, which read by libpng, refuse the file."""
    palette = Image.fromarray(GREY).convert("P")
    palette.save(tmp_path / "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    assert read(whole, tmp_path).shape[0] == 3
    content, at = bytearray(whole), whole.index(kind)
    content[at + 4 + int.from_bytes(whole[at - 4 : at], "big")] ^= 1
    with pytest.raises(DataError, match="damaged") as told:
        read(bytes(content), tmp_path)
    assert "as no image does" not in str(told.value)


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
