"""Image files of any size are read at one, which is asked for or chosen, and told."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import whitesquare as ws
from whitesquare.data import dataset_digest, held, load_image_folder, notes, open_dataset, readable_part
from whitesquare.data.fits import CROP, FITS, PAD, STRETCH, Frame
from whitesquare.data.sized import LARGEST, Sized
from whitesquare.errors import DataError, UsageError
from whitesquare.jobs.runs import make_run
from whitesquare.scanning.settings import ScanSettings
from whitesquare.testing import check_dataset

BILINEAR = Image.Resampling.BILINEAR
CHEAP = ScanSettings(model_free=True, detectors=("pixel-contrast",))


def picture(width, height, channels=3, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def folder(root, forms, split="train", suffix="png"):
    """Class folders: image ``i`` has the form ``(width, height, channels)`` and lies in one of two classes."""
    for i, form in enumerate(forms):
        save(root / split / "ab"[i % 2] / f"{i:03}.{suffix}", picture(*form, seed=i))
    return root


def array(image):
    pixels = np.asarray(image)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


MIXED = [(20, 30, 3), (31, 21, 3), (40, 40, 3), (22, 50, 3), (64, 33, 3), (33, 64, 3)]


# --- how one image is brought to a size --------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    to=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    fit=st.sampled_from(sorted(FITS)),
    channels=st.sampled_from([1, 3]),
)
def test_geometry_is_that_of_pillow(width, height, to, fit, channels):
    image = picture(width, height, channels)
    found = Frame((channels, to[1], to[0]), fit, "").bring(array(image), "x")
    if fit == STRETCH:
        expected = image.resize(to, BILINEAR)
    elif fit == CROP:
        expected = ImageOps.fit(image, to, BILINEAR)
    else:
        scale = min(to[0] / width, to[1] / height)
        inner = [max(1, round(side * scale)) for side in image.size]
        assert max(inner[0] / to[0], inner[1] / to[1]) == 1, "it fills one side"
        expected = Image.new(image.mode, to)
        expected.paste(image.resize(inner, BILINEAR), [(out - side) // 2 for out, side in zip(to, inner, strict=True)])
    assert np.abs(found.astype(int) - array(expected)).max() <= 1
    assert found.shape == (channels, to[1], to[0])


@pytest.mark.parametrize(("fit", "corner", "side"), [(STRETCH, 10, 10), (CROP, 90, 90), (PAD, 0, 10)])
def test_what_becomes_of_the_sides_of_a_wide_image(fit, corner, side):
    pixels = np.full((1, 20, 60), 10, np.uint8)
    pixels[..., 15:45] = 90
    found = Frame((1, 10, 10), fit, "").bring(pixels, "x")[0]
    assert (found[0, 0], found[5, 0], found[5, 5]) == (corner, side, 90)


def test_an_image_that_has_the_size_is_not_touched_and_grey_becomes_colour():
    grey = array(picture(9, 7, 1))
    frame = Frame((3, 7, 9), PAD, "")
    assert np.array_equal(frame.bring(grey, "x"), np.repeat(grey, 3, axis=0))
    colour = array(picture(9, 7))
    assert np.array_equal(frame.bring(colour, "x"), colour)
    with pytest.raises(DataError, match=r"^x is in colour and the training images are grey"):
        Frame((1, 7, 9), PAD, "").bring(colour, "x")


# --- which size ---------------------------------------------------------------------------------------------------


def test_images_of_one_size_are_read_as_they_are_and_nothing_is_told(tmp_path):
    root = folder(tmp_path, [(20, 30, 3)] * 6)
    found, plain = open_dataset(root), load_image_folder(root)
    assert (found.shape, notes(found), found.decoder()) == ((3, 30, 20), (), plain.decoder())
    assert np.array_equal(found.images(slice(None)), plain.images(slice(None)))


def test_mixed_sizes_are_read_at_the_median_short_side_and_told(tmp_path):
    found = open_dataset(folder(tmp_path, MIXED))
    assert found.shape == (3, 33, 33)  # of 20 21 22 33 33 40
    check_dataset(found)
    expected = picture(*MIXED[0], seed=0).resize((33, 33), BILINEAR)
    assert np.array_equal(found.images(slice(0, 1))[0], array(expected))
    assert notes(found) == (
        "6 of 6 images were brought to 33x33 pixels (the median of their short sides; choose another with --size): the "
        "smallest is 20x30, the largest 64x33. They were stretched as a whole (--fit stretch), by Pillow's bilinear "
        "filter.",
    )
    assert "33x33 by stretch" in found.decoder()


def test_where_most_have_one_size_they_keep_their_pixels(tmp_path):
    found = open_dataset(folder(tmp_path, [(20, 30, 3)] * 4 + [(40, 41, 3)] * 3))
    assert found.shape == (3, 30, 20)
    own = load_image_folder(tmp_path)
    kept = [i for i in range(7) if own.header(i) == (3, 30, 20)]
    assert len(kept) == 4
    for i in kept:
        assert np.array_equal(found.images(np.array([i]))[0], own.images(np.array([0, i]))[1])
    assert notes(found)[0].startswith("3 of 7 images were brought to 20x30 pixels (that of most of them; ")


def test_what_a_resize_hides_is_told(tmp_path):
    found = open_dataset(folder(tmp_path, [(224, 230, 3)] * 2), size=64)
    assert notes(found)[1:] == (
        "What is small may be hidden by that: a mark of 3x3 pixels in an image of 224x230 is one pixel or less in what "
        "was read.",
    )


def test_the_tool_chooses_no_size_that_would_not_fit(tmp_path, monkeypatch):
    root = folder(tmp_path, [(300, 301, 1), (310, 300, 1), (299, 400, 1)])
    assert open_dataset(root).shape == (1, LARGEST, LARGEST)
    monkeypatch.setattr("whitesquare.data.sized.MOST_BYTES", 3 * 50**2)
    found = open_dataset(root)
    assert found.shape == (1, 50, 50)
    assert "(the median of their short sides is 300; choose another with --size)" in notes(found)[0]


def test_grey_beside_colour_is_read_as_colour_and_told(tmp_path):
    found = open_dataset(folder(tmp_path, [(8, 9, 3), (8, 9, 1), (8, 9, 1)]))
    images = found.images(slice(None))
    assert images.shape == (3, 3, 9, 8)
    assert np.array_equal(images[2, 0], images[2, 1])
    assert notes(found) == ("2 of 3 images are grey and were read as colour, as the others are.",)


def test_turned_photos_have_one_size_as_they_are_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(6):
        upright = picture(20, 30, seed=i)
        turned = upright.transpose(Image.Transpose.ROTATE_90)
        save(tmp_path / "ab"[i % 2] / f"{i}.jpg", turned if i % 3 else upright, **({"exif": exif} if i % 3 else {}))
    found = open_dataset(tmp_path)
    assert found.images(slice(None)).shape == (6, 3, 30, 20)
    assert notes(found) == ("4 of 6 images carry an orientation and were read as a viewer shows them.",)
    save(tmp_path / "a" / "aside.jpg", picture(30, 20))
    found = open_dataset(tmp_path)
    assert found.images(slice(None)).shape == (7, 3, 30, 20)
    assert notes(found)[1].startswith("1 of 7 images were brought to 20x30 pixels")


@settings(max_examples=15, deadline=None)
@given(
    forms=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])), min_size=1, max_size=7),
    size=st.none() | st.integers(1, 40),
    fit=st.none() | st.sampled_from(sorted(FITS)),
)
def test_any_folder_of_images_is_a_data_set(tmp_path_factory, forms, size, fit):
    root = folder(tmp_path_factory.mktemp("d"), forms)
    found = open_dataset(root, size=size, fit=fit)
    images = found.images(slice(None))
    assert images.shape == (len(forms), *found.shape)
    assert found.shape[0] == max(channels for *_, channels in forms)
    if size is not None:
        assert found.shape[1:] == (size, size)
    elif len({form[:2] for form in forms}) == 1:
        assert found.shape[1:] == forms[0][1::-1]
    check_dataset(found)


def test_the_same_pictures_in_other_formats_are_the_same_data_set(tmp_path):
    found = []
    for suffix in ("png", "bmp", "tif", "ppm"):
        images = open_dataset(folder(tmp_path / suffix, MIXED, suffix=suffix), size=16, fit=CROP).images(slice(None))
        found.append(images)
    save(tmp_path / "webp" / "a" / "0.webp", picture(*MIXED[0], seed=0), lossless=True)
    assert all(np.array_equal(images, found[0]) for images in found)
    webp = open_dataset(tmp_path / "webp", size=16, fit=CROP)
    assert np.array_equal(webp.images(slice(None))[0], found[0][0])


# --- both splits --------------------------------------------------------------------------------------------------


def test_the_training_images_decide_for_the_test_images(tmp_path):
    folder(tmp_path, MIXED)
    folder(tmp_path, [(12, 12, 1), (12, 12, 1)], split="test")
    test = open_dataset(tmp_path, "test")
    assert test.images(slice(None)).shape == (2, 3, 33, 33)
    assert np.array_equal(pickle.loads(pickle.dumps(test)).images(slice(None)), test.images(slice(None)))


def test_mixed_test_images_take_the_size_of_training_images_that_share_one(tmp_path):
    folder(tmp_path, [(20, 30, 3)] * 3)
    folder(tmp_path, [(20, 30, 3), (50, 60, 1)], split="test")
    test = open_dataset(tmp_path, "test")
    assert test.images(slice(None)).shape == (2, 3, 30, 20)
    assert "1 of 2 images were brought to 20x30 pixels (that of the training images)" in notes(test)[0]
    assert notes(open_dataset(tmp_path)) == ()


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 4097, 10**9, True, 64.0, "64"])
def test_a_size_that_no_image_has_is_refused(tmp_path, size):
    with pytest.raises(UsageError, match=r"expected a whole number of pixels in 1\.\.4096"):
        open_dataset(folder(tmp_path, MIXED), size=size)


def test_an_unknown_fit_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="stretch"):
        open_dataset(folder(tmp_path, MIXED), fit="strech")


def test_arrays_have_their_size(tmp_path):
    with pytest.raises(UsageError, match=r"^The data set \(mnist\) holds images of one size"):
        open_dataset("mnist", "test", size=14)


def test_a_file_that_cannot_be_decoded_stops_or_is_left_out(tmp_path):
    root = folder(tmp_path, MIXED)
    (root / "train" / "a" / "bad.png").write_bytes(b"no image")
    cut = (root / "train" / "a" / "000.png").read_bytes()[:-40]
    (root / "train" / "b" / "cut.png").write_bytes(cut)
    with pytest.raises(DataError, match=r"bad\.png cannot be decoded"):
        held(open_dataset(root))
    part, skipped = readable_part(open_dataset(root))
    assert (sorted(skipped), len(part.ids)) == (["train/a/bad.png", "train/b/cut.png"], 6)


# --- what is signed, copied and written ---------------------------------------------------------------------------


def test_what_is_signed_does_not_depend_on_the_size(tmp_path):
    from whitesquare.provenance.consumed import Reading
    from whitesquare.provenance.opened import splits_of

    root = folder(tmp_path, MIXED)
    roots = set()
    for size in (None, 8, 16):
        reading = Reading(open_dataset(root, size=size), "train")
        held(reading.dataset)
        roots.add(reading.consumed())
    assert len(roots) == 1
    signed = splits_of(open_dataset(root, size=8))["train"]
    assert signed.decode(0, signed.content(0)).shape == (3, 30, 20)


def test_cleanse_copies_the_files_of_a_scan_at_any_size_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(120):
        pixels = rng.integers(0, 200, (*rng.integers(20, 40, 2), 3), np.uint8)
        save(tmp_path / "d" / "abcd"[i % 4] / f"{i:03}.png", Image.fromarray(pixels))
    scan = tmp_path / "scan.json"
    done = ws.scan(tmp_path / "d", CHEAP, size=24, fit=CROP)
    text = done.json()
    assert " of 120 images were brought to 24x24 pixels (as was asked)" in done.scan.result.warnings[0]
    scan.write_text(flagging(text, done.dataset))
    with pytest.raises(DataError, match="scanned with another --size"):
        ws.cleanse(tmp_path / "d", scan, tmp_path / "out", size=25, fit=CROP, tier="review")
    with pytest.raises(UsageError, match="leave --format out"):
        ws.cleanse(tmp_path / "d", scan, tmp_path / "out", size=24, fit=CROP, tier="review", fmt="npz")
    with pytest.raises(UsageError, match="the path of class folders"):
        ws.cleanse(open_dataset(tmp_path / "d", size=24, fit=CROP), scan, tmp_path / "out", tier="review")
    assert not (tmp_path / "out").exists()
    ws.cleanse(tmp_path / "d", scan, tmp_path / "out", size=24, fit=CROP, tier="review")
    kept = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").glob("*/*.png"))
    assert kept == sorted(set(done.dataset.ids) - {done.dataset.ids[5]})
    assert all((tmp_path / "out" / name).read_bytes() == (tmp_path / "d" / name).read_bytes() for name in kept)


def flagging(text, dataset, at=5):
    """The scan as it would be had it put one sample up for review."""
    label, found = int(dataset.labels[at]), json.loads(text)
    one = {"id": dataset.ids[at], "label": label, "class": dataset.classes[label], "tier": "review"}
    found["flagged"] = [one | {"rule_id": "PC01", "fused": None, "p_value": None, "scores": {}}]
    return json.dumps(found)


def test_a_poisoned_copy_has_the_size_it_was_made_at_and_it_is_told(tmp_path):
    folder(tmp_path / "d", MIXED * 4)
    told = []
    make_run(
        str(tmp_path / "d"),
        tmp_path / "run",
        attack="stamp",
        settings={},
        target=0,
        count=2,
        seed=0,
        size=16,
        on_note=told.append,
    )
    assert open_dataset(tmp_path / "run").shape == (3, 16, 16)
    assert told[-1] == "What is written are images of 16x16 pixels, not those of the files."
    assert told[0].startswith("24 of 24 images were brought to 16x16 pixels (as was asked)")


def test_a_reference_is_read_at_the_size_of_the_data(tmp_path):
    folder(tmp_path / "d", MIXED * 4)
    folder(tmp_path / "clean", [(50, 50, 3)] * 6)
    found = ws.scan(tmp_path / "d", CHEAP, reference=tmp_path / "clean").scan.result
    assert found.reference_size == 6


def test_a_view_that_is_opened_again_is_resized_once(tmp_path):
    first = open_dataset(folder(tmp_path, MIXED), size=8)
    again = open_dataset(first, size=16)
    assert isinstance(again, Sized)
    assert np.array_equal(again.images(slice(None)), open_dataset(tmp_path, size=16).images(slice(None)))
    assert dataset_digest(first) != dataset_digest(again)
    assert Counter(image.shape for image in again.images(slice(None))) == {(3, 16, 16): 6}
