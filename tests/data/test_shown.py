"""Training reads what a viewer shows, or refuses: the same rule for every format."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from whitesquare.data import load_image_folder, notes, readable_part
from whitesquare.data.decode import decode_bytes, decode_image
from whitesquare.data.traits import NAMES, exif_orientations, look
from whitesquare.data.watched import Watched
from whitesquare.errors import DataError

GREY = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16)
COLOUR = np.stack([np.repeat(np.linspace(20, 235, 16, dtype=np.uint8)[None], 8, 0), GREY * 2, 255 - GREY * 2], -1)
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def saved(path, pixels=GREY, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks, pixels=GREY, after=False):
    """A PNG file with more chunks, before its pixels or after them."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    place = len(content) - 12 if after else 33
    return content[:place] + b"".join(chunk(*one) for one in chunks) + content[place:]


def traits(content):
    found = look(content, lambda offset, count: content[offset : offset + count])
    return [] if found is None else list(found.names())


def as_read(content, tmp_path, name="x.png"):
    path = tmp_path / name
    path.write_bytes(content)
    return decode_image(path)


@pytest.mark.parametrize("kind", ["png", "jpg", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_is_applied_in_every_format_as_a_viewer_does(tmp_path, kind, orientation):
    options = {"quality": 100} if kind == "jpg" else {}
    path = saved(tmp_path / "a" / f"x.{kind}", COLOUR, exif=exif(orientation), **options)
    with Image.open(path) as picture:
        viewed = np.asarray(ImageOps.exif_transpose(picture).convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(decode_image(path), viewed)
    assert viewed.shape == (3, *((8, 16) if orientation < 5 else (16, 8)))
    assert traits(path.read_bytes()) == ([] if orientation == 1 else ["orientation"])


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_a_tiff_file_is_not_turned_twice(tmp_path, compression):
    path = saved(tmp_path / "x.tiff", COLOUR, exif=exif(6), compression=compression)
    upright = saved(tmp_path / "y.tiff", COLOUR, compression=compression)
    assert np.array_equal(decode_image(path), np.rot90(decode_image(upright), -1, (1, 2)))


def test_an_orientation_that_only_some_browsers_apply_is_refused(tmp_path):
    """Chromium obeys none in WebP, and none behind the pixels of PNG."""
    behind = png_with((b"eXIf", exif(3).tobytes().removeprefix(b"Exif\0\0")), after=True)
    webp = saved(tmp_path / "x.webp", COLOUR, exif=exif(3), lossless=True).read_bytes()
    for content in (behind, webp):
        with pytest.raises(DataError, match="orientation 3 where or how only some viewers read it"):
            as_read(content, tmp_path)
        assert traits(content) == ["orientation"]
    upright = saved(tmp_path / "y.webp", COLOUR, exif=exif(1), lossless=True)
    assert np.array_equal(decode_image(upright), COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_value_that_is_no_orientation_is_ignored_as_viewers_do(tmp_path, value):
    assert np.array_equal(decode_image(saved(tmp_path / "x.png", exif=exif(value)))[0], GREY)


@pytest.mark.parametrize("data", [b"", b"II", b"MM\0*\0\0\0\x08", b"II*\0\xff\xff\xff\xff", b"\0" * 40, b"II*\0" * 9])
def test_exif_data_that_cannot_be_read_are_ignored(tmp_path, data):
    assert exif_orientations(data) == set()
    assert np.array_equal(as_read(png_with((b"eXIf", data)), tmp_path)[0], GREY)


def test_two_orientations_in_one_file_are_refused(tmp_path):
    both = [(b"eXIf", exif(value).tobytes().removeprefix(b"Exif\0\0")) for value in (6, 1)]
    with pytest.raises(DataError, match=r"x\.png has the orientation 1 where or how only some .* and 6 in its EXIF"):
        as_read(png_with(*both), tmp_path)
    values = [struct.pack(">HHIHH", 274, 3, 1, value, 0) for value in (6, 1)]
    block = b"MM\0*" + struct.pack(">IH", 8, 2) + b"".join(values) + bytes(4)
    with pytest.raises(DataError, match=r"x\.png states several orientations \(1, 6\)"):
        as_read(png_with((b"eXIf", block)), tmp_path)


def test_an_orientation_in_xmp_must_be_that_of_exif(tmp_path):
    for name, options in {
        "x.jpg": {"xmp": XMP.format(6).encode()},
        "x.webp": {"xmp": XMP.format(6).encode()},
        "x.png": {"pnginfo": PngInfo()},
    }.items():
        if name == "x.png":
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.format(6), zip=True)
        alone = saved(tmp_path / name, COLOUR, **options)
        with pytest.raises(DataError, match=r"orientation 6 where or how only some .* and none in its EXIF"):
            decode_image(alone)
        assert traits(alone.read_bytes()) == ["orientation"]
        if name == "x.webp":  # of which Chromium obeys neither
            continue
        with pytest.raises(DataError, match="and 8 in its EXIF data"):
            decode_image(saved(tmp_path / name, COLOUR, exif=exif(8), **options))
        assert decode_image(saved(tmp_path / name, COLOUR, exif=exif(6), **options)).shape == (3, 16, 8)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["text", "itxt"])
def test_exif_data_hidden_in_a_text_of_png_are_refused(tmp_path, packed, kind):
    info, data = PngInfo(), exif(6).tobytes()
    add = info.add_text if kind == "text" else info.add_itxt
    add("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=packed)
    path = saved(tmp_path / "x.png", pnginfo=info)
    with Image.open(path) as picture:
        assert picture.getexif()[0x0112] == 6
    with pytest.raises(DataError, match="orientation 6 where or how only some viewers read it"):
        decode_image(path)


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tiff"])
def test_several_frames_are_refused(tmp_path, name):
    second = Image.fromarray(255 - COLOUR)
    path = saved(tmp_path / name, COLOUR, save_all=True, append_images=[second])
    with pytest.raises(DataError, match="has several frames"):
        decode_image(path)
    assert traits(path.read_bytes()) == ["frames"]


def test_an_animation_of_one_frame_behind_another_picture_is_refused(tmp_path):
    """A browser shows the frame, and whoever does not know animations the picture before it."""
    frame = struct.pack(">IIIIIHHBB", 0, 16, 8, 0, 0, 1, 1, 0, 0)
    hidden = zlib.compress(b"".join(b"\0" + bytes(row) for row in (255 - GREY).tolist()))
    content = png_with((b"acTL", struct.pack(">II", 1, 0)))
    content = content[:-12] + chunk(b"fcTL", frame) + chunk(b"fdAT", struct.pack(">I", 1) + hidden) + content[-12:]
    with pytest.raises(DataError, match="has several frames"):
        as_read(content, tmp_path)


def test_a_photo_with_a_picture_behind_it_is_read_as_every_viewer_shows_it(tmp_path):
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    first.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[second], quality=95)
    first.save(tmp_path / "y.jpg", quality=95)
    assert np.array_equal(decode_image(tmp_path / "x.jpg"), decode_image(tmp_path / "y.jpg"))
    assert traits((tmp_path / "x.jpg").read_bytes()) == ["frames"]


@pytest.mark.parametrize("gamma", [1, 43_000, 100_000, 220_000, 2**32 - 1, 0])
def test_a_gamma_with_which_another_picture_is_shown_is_refused(tmp_path, gamma):
    content = png_with((b"gAMA", struct.pack(">I", gamma)))
    with pytest.raises(DataError, match="states the gamma"):
        as_read(content, tmp_path)
    assert traits(content) == ["gamma"]
    with_srgb = png_with((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", gamma)))
    assert np.array_equal(as_read(with_srgb, tmp_path)[0], GREY)


def test_the_ordinary_gamma_changes_nothing(tmp_path):
    content = png_with((b"gAMA", struct.pack(">I", 45_455)))
    assert np.array_equal(as_read(content, tmp_path)[0], GREY)


def test_a_coded_colour_space_other_than_srgb_is_refused(tmp_path):
    with pytest.raises(DataError, match="cICP"):
        as_read(png_with((b"cICP", b"\x09\x10\x00\x01")), tmp_path)
    assert np.array_equal(as_read(png_with((b"cICP", b"\x01\x0d\x00\x01")), tmp_path)[0], GREY)


def profile(name):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def swapped_srgb():
    """A profile of matrix and curves whose red is blue: the data describe other colours than they seem to."""
    content = bytearray(profile("sRGB"))
    tags = {content[at : at + 4].decode(): at for at in range(132, 132 + 12 * content[131], 12)}
    red, blue = tags["rXYZ"], tags["bXYZ"]
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(content)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_colours_are_converted_as_their_profile_says(tmp_path, kind):
    options = {"lossless": True} if kind == "webp" else {"quality": 100} if kind == "jpg" else {}
    plain = decode_image(saved(tmp_path / f"x.{kind}", COLOUR, **options))
    near = saved(tmp_path / f"y.{kind}", COLOUR, icc_profile=profile("sRGB"), **options)
    assert np.array_equal(decode_image(near), plain)
    other = saved(tmp_path / f"z.{kind}", COLOUR, icc_profile=swapped_srgb(), **options)
    assert np.abs(decode_image(other).astype(int) - plain[::-1]).max() <= 2
    assert traits(other.read_bytes()) == ["profile"]


def test_a_profile_for_another_kind_of_image_is_ignored_and_a_broken_one_refused(tmp_path):
    assert np.array_equal(decode_image(saved(tmp_path / "x.png", GREY, icc_profile=swapped_srgb()))[0], GREY)
    broken = swapped_srgb()[:200]
    with pytest.raises(DataError, match="colour profile that cannot be used"):
        decode_image(saved(tmp_path / "y.png", COLOUR, icc_profile=broken))
    with pytest.raises(DataError, match="colour profile of 5000000 bytes"):
        decode_image(saved(tmp_path / "z.jpg", COLOUR, icc_profile=bytes(5_000_000)))


def test_a_colour_that_is_declared_transparent_is_refused(tmp_path):
    for pixels, key in ((GREY, 5), (COLOUR, tuple(int(value) for value in COLOUR[0, 3]))):
        with pytest.raises(DataError, match="has transparent pixels"):
            decode_image(saved(tmp_path / "x.png", pixels, transparency=key))
    assert np.array_equal(decode_image(saved(tmp_path / "x.png", GREY, transparency=255))[0], GREY)


def test_traits_have_names_and_plain_files_have_none(tmp_path):
    assert NAMES == ("orientation", "profile", "gamma", "frames", "alpha")
    for suffix in ("png", "jpg", "webp", "tiff", "bmp", "ppm"):
        assert traits(saved(tmp_path / f"x.{suffix}", COLOUR).read_bytes()) == []
    alpha = np.dstack([COLOUR, np.full((8, 16), 9, np.uint8)])
    for suffix in ("png", "webp", "tiff"):
        found = traits(saved(tmp_path / f"x.{suffix}", alpha).read_bytes())
        assert found == ["alpha"], suffix


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tiff", "x.bmp"])
def test_no_damage_makes_the_reader_of_headers_raise(tmp_path, name):
    path = saved(tmp_path / name, COLOUR, **({} if name == "x.bmp" else {"exif": exif(6)}))
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(0, 256)
        traits(bytes(damaged[: rng.integers(0, len(content) + 1)]))


def test_a_file_of_endless_parts_is_not_looked_through(tmp_path):
    content = png_with(*[(b"tESt", b"")] * 70_000)
    with pytest.raises(DataError, match="too many parts"):
        as_read(content, tmp_path)


def turned_folder(root):
    """Half of the photos lie on their side, with the orientation that says so, as cameras write them."""
    for label in "ab":
        for i in range(6):
            pixels = np.rot90(COLOUR) if i % 2 else COLOUR
            saved(root / label / f"{i}.png", pixels, **({"exif": exif(6)} if i % 2 else {}))
    return load_image_folder(root)


def test_photos_of_a_camera_held_upright_and_aside_are_read_as_they_are_viewed(tmp_path):
    """Square JPEG photos: no size tells that half of them lie on their side, and a 6 would be trained on for a 9."""
    rng = np.random.default_rng(0)
    for label in "abcd":
        for i in range(10):
            picture = Image.fromarray(rng.integers(0, 256, (28, 28, 3), np.uint8))
            path = tmp_path / "d" / label / f"{i:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            if i % 2:
                picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif(6), quality=95)
            else:
                picture.save(path, quality=95)
    folder = load_image_folder(tmp_path / "d")
    for image, name in zip(folder.images(slice(None)), folder.ids, strict=True):
        with Image.open(tmp_path / "d" / name) as picture:
            viewed = np.asarray(ImageOps.exif_transpose(picture)).transpose(2, 0, 1)
        assert np.array_equal(image, viewed), name
    assert notes(folder) == ("20 of 40 images carry an orientation and were read as a viewer shows them.",)


def test_turned_photos_are_of_the_size_and_content_of_the_others_and_it_is_told(tmp_path):
    folder = turned_folder(tmp_path)
    assert notes(folder) == ()
    images = folder.images(slice(None))
    assert all(np.array_equal(image, COLOUR.transpose(2, 0, 1)) for image in images)
    said = "6 of 12 images carry an orientation and were read as a viewer shows them."
    assert notes(folder) == (said,)
    saved(tmp_path / "a" / "odd.png", GREY)
    part, skipped = readable_part(load_image_folder(tmp_path))
    assert (list(skipped), part.images(slice(None)).shape, notes(part)) == (["a/odd.png"], images.shape, (said,))


def test_a_scan_says_that_images_were_turned(tmp_path):
    from whitesquare.scanning.run import run_scan
    from whitesquare.scanning.settings import ScanSettings

    folder = turned_folder(tmp_path)
    found = run_scan(folder, ScanSettings(model_free=True, detectors=("pixel-contrast",)))
    assert found.result.warnings == ("6 of 12 images carry an orientation and were read as a viewer shows them.",)


def test_a_position_counts_from_the_end_or_is_refused(tmp_path):
    told = []
    plain = turned_folder(tmp_path)
    folder = Watched(plain, lambda i, content: told.append(i))
    folder.decode(-1, folder.content(-1))
    folder.images(np.array([-2]))
    assert told[0] == 11
    assert told[-1] == 10
    for bad in (12, -13):
        with pytest.raises(IndexError):
            folder.decode(bad, b"")
        with pytest.raises(IndexError):
            folder.content(bad)
    assert decode_bytes(folder.content(-1), tmp_path).turned


@pytest.mark.parametrize("junk", [b"\xff\x00", b"\x01"])
def test_bytes_between_the_parts_of_a_jpeg_file_that_viewers_skip_are_refused(tmp_path, junk):
    """What follows them is the orientation, for those who skip them."""
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG", exif=exif(6))
    content = buffer.getvalue()
    place = 4 + int.from_bytes(content[4:6], "big")  # behind the first part
    with pytest.raises(DataError, match="something between them"):
        as_read(content[:place] + junk + content[place:], tmp_path, "x.jpg")


def test_many_packed_texts_cost_no_time(tmp_path):
    """100 KB that would unpack to 100 MiB."""
    text = b"Raw profile type exif\0\0" + zlib.compress(b"\n" * 2**20)
    content = png_with(*[(b"zTXt", text)] * 100)
    found = look(content, lambda offset, count: content[offset : offset + count])
    assert found.endless
    assert found.unpacked == 100, "and all but a few were left packed"
    with pytest.raises(DataError):
        as_read(content, tmp_path)


def test_of_two_profiles_nobody_knows_which_counts(tmp_path):
    profile = b"x\0\0" + zlib.compress(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    with pytest.raises(DataError, match="save it anew"):
        as_read(png_with(*[(b"iCCP", profile)] * 2, pixels=COLOUR), tmp_path)


@pytest.mark.parametrize("intent", [b"\x09", b"\x00\x00\x00"])
def test_a_damaged_word_for_srgb_does_not_excuse_a_gamma(tmp_path, intent):
    with pytest.raises(DataError, match="gamma"):
        as_read(png_with((b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", intent)), tmp_path)
