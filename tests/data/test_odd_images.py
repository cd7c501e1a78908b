"""EXIF data that browsers and Pillow read differently are refused."""

import base64
import io
import os
import struct

import pytest
from PIL import Image

from tests.report.chromium import NAMES, browser, find
from whitesquare.data.decode import decode_image
from whitesquare.data.traits import look
from whitesquare.errors import DataError

from .test_shown import COLOUR, png_with, traits

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged EXIF data and animations

SIX = b"\0\6\0\0"
ENTRY = (274, 3, 1, SIX)


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
