"""Colours of which browsers and Pillow make different ones are refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import ImageCms

from whitesquare.errors import DataError

from .test_odd_images import encoded, jpeg_with, read
from .test_shown import COLOUR, png_with, swapped_srgb, traits

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged EXIF data and animations

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE_PRIMARIES = struct.pack(">8I", 31270, 32900, 73470, 26530, 11500, 82600, 15700, 1800)
GAMMA = (b"gAMA", struct.pack(">I", 45_455))


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
