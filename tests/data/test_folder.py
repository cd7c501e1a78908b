"""Class folders: what Pillow sees is what comes out, and hostile files are named, never decoded."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from whitesquare.data import load_image_folder
from whitesquare.errors import DataError
from whitesquare.types import ImageDataset


def save(path, mode="L", size=(7, 5), value=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def test_folder_without_splits(tmp_path):
    save(tmp_path / "cat" / "b.png", value=3)
    save(tmp_path / "cat" / "a.JPG", value=4)
    save(tmp_path / "ant" / "x.bmp", value=5)
    (tmp_path / "readme.txt").write_text("not a class")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    save(tmp_path / "cat" / ".hidden.png", size=(1, 1))
    save(tmp_path / ".cache" / "x.png", size=(1, 1))
    found = load_image_folder(tmp_path)
    assert isinstance(found, ImageDataset)
    assert found.classes == ("ant", "cat")
    assert found.ids == ("ant/x.bmp", "cat/a.JPG", "cat/b.png")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.images(slice(None)).shape == (3, 1, 5, 7)
    assert found.images(slice(None))[:, 0, 0, 0].tolist() == [5, 4, 3]
    assert found.images(np.array([2, 0]))[:, 0, 0, 0].tolist() == [3, 5]
    assert found.images(slice(0, 0)).shape == (0, 1, 5, 7)
    assert found.content(2) == (tmp_path / "cat" / "b.png").read_bytes()


def test_splits_and_whatever_lies_beside_them(tmp_path):
    save(tmp_path / "train" / "10" / "a.png")
    save(tmp_path / "train" / "9" / "b.png")
    save(tmp_path / "test" / "11" / "c.png")
    (tmp_path / "victims" / "0").mkdir(parents=True)
    (tmp_path / "victims" / "0" / "model.safetensors").write_bytes(b"")
    (tmp_path / "latest").symlink_to("/")
    train, test = load_image_folder(tmp_path, "train"), load_image_folder(tmp_path, "test")
    assert train.classes == test.classes == ("9", "10", "11")
    assert train.ids == ("train/9/b.png", "train/10/a.png")
    assert test.ids == ("test/11/c.png",)
    assert test.labels.tolist() == [2]


def test_order_does_not_depend_on_the_file_system(tmp_path):
    for name in ("c", "a", "b", "10", "2"):
        save(tmp_path / "0" / f"{name}.png")
    assert load_image_folder(tmp_path).ids == tuple(f"0/{name}.png" for name in ("10", "2", "a", "b", "c"))


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"garbage")
    found = load_image_folder(tmp_path)
    assert found.labels.tolist() == [0]
    assert found.content(0) == b"garbage"
    with pytest.raises(DataError, match=r"x\.png cannot be decoded as an image"):
        found.images(slice(None))


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, [255]),
        ("L", 7, [7]),
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("P", 0, [0, 0, 0]),
        ("LA", (9, 255), [9]),
        ("RGBA", (1, 2, 3, 255), [1, 2, 3]),
    ],
)
def test_colour_modes(tmp_path, mode, value, expected):
    save(tmp_path / "a" / "x.png", mode, value=value)
    assert load_image_folder(tmp_path).images(slice(None))[0, :, 0, 0].tolist() == expected


def test_cmyk_becomes_rgb(tmp_path):
    save(tmp_path / "a" / "x.jpg", "CMYK", value=(0, 0, 0, 0))
    assert load_image_folder(tmp_path).images(slice(None))[0, :, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("mode", "value", "message"),
    [
        ("RGBA", (1, 2, 3, 254), "transparent"),
        ("LA", (1, 0), "transparent"),
        ("I;16", 7, "expected 8-bit grey or RGB"),
    ],
)
def test_colour_modes_that_would_lose_something(tmp_path, mode, value, message):
    save(tmp_path / "a" / "x.png", mode, value=value)
    with pytest.raises(DataError, match=rf"x\.png.*{message}"):
        load_image_folder(tmp_path).images(slice(None))


@pytest.mark.parametrize(
    ("mode", "size", "described"),
    [("L", (5, 7), "5x7 grey"), ("RGB", (7, 5), "7x5 RGB")],
    ids=["size", "mode"],
)
def test_mixed_images_name_both_files(tmp_path, mode, size, described):
    save(tmp_path / "a" / "first.png")
    save(tmp_path / "b" / "odd.png", mode, size)
    with pytest.raises(DataError, match=rf"odd\.png is {described} but .*first\.png is 7x5 grey"):
        load_image_folder(tmp_path).images(slice(None))


@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 10_000), (8_100, 8_000), (2**31 - 1, 2**31 - 1)])
def test_bomb_is_refused_from_its_header(tmp_path, size):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bomb.png").write_bytes(png_claiming(*size))
    with pytest.raises(DataError, match=r"bomb\.png.* at most 64000000 pixels"):
        load_image_folder(tmp_path).images(slice(None))


def test_truncated_anywhere(tmp_path):
    path = tmp_path / "a" / "x.png"
    save(path, value=9)
    whole = path.read_bytes()
    last_pixel = len(whole) - 24  # then come Adler-32, CRC and the closing chunk
    for size in range(last_pixel):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"x\.png cannot be decoded"):
            load_image_folder(tmp_path).images(slice(None))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["png", "jpg", "bmp", "webp", "ppm", "gif"]))
def test_damaged_file_decodes_or_is_refused(data, kind, tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz")
    path = root / "a" / f"x.{kind}"
    save(path, "RGB", value=(1, 2, 3))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(DataError):  # any other error or warning fails
        assert load_image_folder(root).images(slice(None)).dtype == np.uint8


def test_a_file_is_what_it_is_not_what_it_is_called(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n")
    with pytest.raises(DataError, match="cannot be decoded"):
        load_image_folder(tmp_path).images(slice(None))


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[2Jb", "a\x7fb", "a\u2028b", "a\udcffb"])
def test_names_that_break_a_line_are_refused(tmp_path, name):
    save(tmp_path / "file" / "ok" / "x.png")
    save(tmp_path / "folder" / name / "x.png")
    (tmp_path / "file" / "ok" / "x.png").rename(tmp_path / "file" / "ok" / f"{name}.png")
    for kind in ("file", "folder"):
        with pytest.raises(DataError, match=r"control character|no UTF-8") as error:
            load_image_folder(tmp_path / kind)
        assert ascii(name)[1:-1] in str(error.value)
        assert str(error.value).isprintable()


def test_markup_in_names_is_legal(tmp_path):
    save(tmp_path / "<script>" / "<img src=x onerror='alert(1)'>.png")
    found = load_image_folder(tmp_path)
    assert found.classes == ("<script>",)
    assert found.images(slice(None)).shape == (1, 1, 5, 7)


def test_links_that_lead_out_are_refused(tmp_path):
    save(tmp_path / "secret" / "x.png")
    save(tmp_path / "files" / "a" / "y.png")
    save(tmp_path / "folders" / "a" / "y.png")
    (tmp_path / "files" / "a" / "x.png").symlink_to(tmp_path / "secret" / "x.png")
    (tmp_path / "folders" / "b").symlink_to(tmp_path / "secret")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train").symlink_to(tmp_path / "files")
    for kind in ("files", "folders", "splits"):
        with pytest.raises(DataError, match=r"is a link to .*, expected a file inside"):
            load_image_folder(tmp_path / kind)


def test_links_inside_and_to_the_data_set_are_followed(tmp_path):
    save(tmp_path / "real" / "a" / "x.png")
    (tmp_path / "real" / "a" / "y.png").symlink_to("x.png")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert load_image_folder(tmp_path / "linked").ids == ("a/x.png", "a/y.png")


def test_broken_link(tmp_path):
    save(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "y.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"y\.png is a broken link"):
        load_image_folder(tmp_path)


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(DataError, match="cannot be listed"):
        load_image_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no class folder with images"):
        load_image_folder(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="no class folder with images"):
        load_image_folder(tmp_path)
    (tmp_path / "a" / "x.txt").write_text("")
    with pytest.raises(DataError, match="has files but no image"):
        load_image_folder(tmp_path)
    save(tmp_path / "a" / "x.png")
    with pytest.raises(DataError, match="no test split"):
        load_image_folder(tmp_path, "test")


def test_empty_class_folder_is_a_class_without_images(tmp_path):
    save(tmp_path / "b" / "x.png")
    (tmp_path / "a").mkdir()
    found = load_image_folder(tmp_path)
    assert found.classes == ("a", "b")
    assert found.labels.tolist() == [1]


def test_file_that_disappears(tmp_path):
    save(tmp_path / "a" / "x.png")
    found = load_image_folder(tmp_path)
    (tmp_path / "a" / "x.png").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        found.content(0)
    with pytest.raises(DataError, match="cannot be read"):
        found.images(slice(None))
