"""GIF files are read as every program shows them, or refused."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whitesquare.data import open_dataset
from whitesquare.data.decode import decode_bytes
from whitesquare.data.traits import look
from whitesquare.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS).quantize(16)
PROFILE = b"!\xff\x0bICCRGBG1012\x03abc\x00"
ENDS_ANYWHERE = bytes([1, *range(255, -1, -1), 0])
"""What XMP in GIF ends with, so that it is skipped wherever a block of it ends."""
TURNED = b'!\xff\x0bXMP DataXMP<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>' + ENDS_ANYWHERE


def gif(picture=PICTURE, **options):
    file = BytesIO()
    picture.save(file, "GIF", **options)
    return file.getvalue()


def changed(content, at, value):
    return content[:at] + bytes([value]) + content[at + 1 :]


PLAIN = gif()
FRAME = PLAIN.index(b",", 13)
"""Where its picture begins, behind the palette."""


@pytest.mark.parametrize("interlace", [0, 1])
def test_the_colours_of_the_palette_are_read(interlace):
    found = decode_bytes(gif(interlace=interlace), Path("x.gif"))
    assert np.array_equal(found.pixels, np.asarray(PICTURE.convert("RGB")).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gif(save_all=True, append_images=[PICTURE.transpose(Image.Transpose.ROTATE_180)]), "several frames"),
        (gif(transparency=3), "transparent pixels"),
        (changed(PLAIN, 6, 40), "does not fill its frame"),
        (changed(PLAIN, FRAME + 1, 2), "does not fill its frame"),
        (changed(PLAIN, FRAME + 5, 10), "does not fill its frame"),
        (PLAIN[:FRAME] + PROFILE + PLAIN[FRAME:], "colour profile"),
        (PLAIN[:FRAME] + TURNED + PLAIN[FRAME:], "orientation 6"),
        (PLAIN[:-1] + b"junk", "between them"),
        (PLAIN[: len(PLAIN) // 2], "cannot be decoded"),
        (changed(PLAIN, 10, PLAIN[10] & 0x7F)[:13] + PLAIN[FRAME:], "no palette"),
    ],
)
def test_what_programs_show_differently_is_refused(content, reason):
    with pytest.raises(DataError, match=reason):
        decode_bytes(content, Path("x.gif"))


def test_a_file_of_a_million_tiny_blocks_costs_little_and_is_refused():
    content = PLAIN[: FRAME + 11] + b"\x01a" * 3_000_000 + b"\x00;"
    found = look(content, lambda offset, count: content[offset : offset + count])
    assert found is not None
    assert found.endless


def test_a_folder_of_gif_files_beside_others_is_a_data_set(tmp_path):
    for i, suffix in enumerate(["gif", "png"] * 2):
        path = tmp_path / "ab"[i % 2] / f"{i}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        PICTURE.save(path)
    images = open_dataset(tmp_path).images(slice(None))
    assert images.shape == (4, 3, 20, 30)
    assert all(np.array_equal(image, images[0]) for image in images)
