"""What `whitesquare scan` says to input that nothing can be learned from, or that is not what it seems.

Every case asserts the exit code, one clear sentence, and that nothing half-written is left.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import from_arrays, open_dataset, write_dataset
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import CannotScoreError


def run(*arguments, code=0):
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.stderr, done.stderr
    return done


def refused(tmp_path, *arguments, code=2):
    """Return the one sentence of a scan that ends without a result; it must leave no file."""
    before = sorted(tmp_path.rglob("*"))
    done = run("scan", *arguments, "-o", f"json={tmp_path / 'scan.json'}", code=code)
    assert sorted(tmp_path.rglob("*")) == before
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert done.stderr.endswith(errors[0] + "\n")
    return errors[0]


def scanned(tmp_path, *arguments, code=0):
    run("scan", *arguments, "-o", f"json={tmp_path / 'scan.json'}", code=code)
    return json.loads((tmp_path / "scan.json").read_text())


def npz(path, images, labels, classes=None):
    images = np.asarray(images, np.uint8)
    images = images if images.ndim == 4 else images[:, np.newaxis]
    given = {} if classes is None else {"classes": np.array(classes)}
    np.savez(path, images=images, labels=np.asarray(labels), layout=np.array("NCHW"), **given)
    return path


@pytest.fixture
def data(tmp_path, tiny):
    """Sixty images of three classes."""
    (tmp_path / "data").mkdir()
    return npz(tmp_path / "data" / "tiny.npz", tiny.images(slice(None)), tiny.labels)


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny):
    folder = tmp_path_factory.mktemp("model")
    write_dataset(folder / "data", tiny, None, "npz")
    run("train", folder / "data", "--epochs", 60, "-o", folder / "model")
    return folder / "model"


@pytest.mark.parametrize(("labels", "found"), [(np.zeros(60, int), "of 1 class,"), (np.zeros(0, int), "of 0 classes,")])
def test_with_less_than_two_classes_there_is_nothing_to_compare(labels, found, tmp_path, tiny):
    path = npz(tmp_path / "one.npz", tiny.images(slice(0, len(labels))), labels)
    assert found in refused(tmp_path, path, code=3)
    assert found in refused(tmp_path, path, "--model-free", code=3)


def some(tiny, sizes):
    """Return as many samples of each class as asked for."""
    at = np.concatenate([np.flatnonzero(tiny.labels == label)[:size] for label, size in enumerate(sizes)])
    return tiny.images(slice(None))[at], tiny.labels[at]


FEW = np.arange(60) % 3
CASES = {
    "two classes": lambda tiny: (*some(tiny, (20, 20, 0)), None),
    "a class without a sample": lambda tiny: (*some(tiny, (20, 0, 20)), None),
    "a class of one": lambda tiny: (*some(tiny, (20, 20, 1)), None),
    "a class of two": lambda tiny: (*some(tiny, (20, 20, 2)), None),
    "one of each": lambda tiny: (*some(tiny, (1, 1, 1)), None),
    "more classes than labels": lambda tiny: (*some(tiny, (20, 20, 20)), [f"kind {i}" for i in range(30)]),
    "all identical": lambda tiny: (np.repeat(tiny.images(slice(0, 1)), 60, 0), FEW, None),
    "all black": lambda tiny: (np.zeros((60, 12, 12)), FEW, None),
    "constant per class": lambda tiny: (np.ones((60, 12, 12)) * (FEW * 90)[:, None, None], FEW, None),
}


@pytest.mark.parametrize("mode", [(), ("--detectors", "all"), ("--model-free",)], ids=["default", "all", "model-free"])
@pytest.mark.parametrize("case", CASES)
def test_degenerate_data_is_scanned_without_a_crash(case, mode, tmp_path, tiny):
    if mode == ("--model-free",) or case == "one of each":  # with so few samples no rule can raise an alarm
        code, verdict = 3, "not checked"
    elif case in ("all identical", "all black"):
        code, verdict = 2, "not decided"
    else:
        code, verdict = 0, "nothing found"
    found = scanned(tmp_path, npz(tmp_path / "data.npz", *CASES[case](tiny)), *mode, code=code)
    assert [one for one in found["detectors"] if one["crashed"]] == []
    assert found["verdict"] == verdict
    assert found["calibration"] == "ranking only"
    assert not any(flag["tier"] == "confirmed" for flag in found["flagged"])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (1, 1, 12), (1, 2, 2)])
def test_images_too_small_for_a_model_are_scanned_without_one(shape, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (90, *shape))
    found = scanned(tmp_path, npz(tmp_path / "small.npz", images, np.arange(90) % 3), code=3)
    assert found["mode"] == "model-free"
    assert "at least 8 x 8 pixels; these are" in found["not_run"]["activation-clustering"]
    assert [one for one in found["detectors"] if one["crashed"]] == []


def test_a_model_that_is_no_model_is_refused(tmp_path, data, model):
    for name in ("model.pt", "model.pth", "weights.pkl"):
        (tmp_path / name).write_bytes(b"\x80\x04N.")
        assert "is a pickle or may be one, which can run code" in refused(tmp_path, data, "--model", tmp_path / name)
    assert "There is no model" in refused(tmp_path, data, "--model", tmp_path / "none.safetensors")
    assert "is not a model: expected model.safetensors" in refused(tmp_path, data, "--model", data)
    assert "is not a model folder" in refused(tmp_path, data, "--model", tmp_path)
    copy = shutil.copytree(model, tmp_path / "damaged")
    (copy / "model.safetensors").write_bytes(b"\xff" * 100)
    assert "cannot be loaded as 'cnn'" in refused(tmp_path, data, "--model", copy)
    (copy / "model.json").write_bytes(b"\xff\xfe")
    assert "is not a valid model card file" in refused(tmp_path, data, "--model", copy)
    assert "leave one of them out" in refused(tmp_path, data, "--model", model, "--model-free")


def test_a_model_with_weights_that_are_no_numbers_is_refused(tmp_path, data, model):
    from safetensors.numpy import load_file, save_file

    copy = shutil.copytree(model, tmp_path / "nan")
    weights = load_file(copy / "model.safetensors")
    save_file({name: np.full_like(array, np.nan) for name, array in weights.items()}, copy / "model.safetensors")
    assert "not finite numbers" in refused(tmp_path, data, "--model", copy)


def test_a_model_of_other_data_is_refused(tmp_path, tiny, model):
    images, labels = tiny.images(slice(None)), tiny.labels
    two = npz(tmp_path / "two.npz", images[labels < 2], labels[labels < 2])
    assert "knows 3 classes and the data set has 2" in refused(tmp_path, two, "--model", model)
    wide = npz(tmp_path / "wide.npz", np.pad(images, ((0, 0), (0, 0), (0, 0), (0, 4))), labels)
    assert "reads images of 1 x 12 x 12 and these are 1 x 12 x 16" in refused(tmp_path, wide, "--model", model)
    colour = npz(tmp_path / "colour.npz", np.repeat(images, 3, 1), labels)
    assert "reads images of 1 x 12 x 12 and these are 3 x 12 x 12" in refused(tmp_path, colour, "--model", model)
    turned = npz(tmp_path / "turned.npz", images, labels, ["2", "1", "0"])
    found = scanned(tmp_path, turned, "--model", model, code=2)
    assert found["verdict"] == "not decided"  # by the names, every answer but one is wrong
    assert "knows the classes in another order (0, 1, 2) than the data set (2, 1, 0)" in found["warnings"][0]


def test_a_model_may_be_given_as_folder_or_file_under_any_name(tmp_path, data, model):
    renamed = tmp_path / "m.safetensors"
    shutil.copy(model / "model.safetensors", renamed)
    shutil.copy(model / "model.json", tmp_path / "m.json")
    for given in (model, model / "model.safetensors", renamed):
        found = scanned(tmp_path, data, "--model", given)
        assert found["mode"] == "given model"
        assert found["not_run"]["loss-trajectories"].endswith("a model that was given has none")


@pytest.fixture
def photos(tmp_path):
    """Good RGB files of three classes, among them kinds that are read as RGB; and seven that cannot be used."""
    root, rng = tmp_path / "photos", np.random.default_rng(0)
    for i in range(60):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(_made(root / f"{i % 3}" / f"{i:02d}.png"))
    colour = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
    colour.convert("RGBA").save(root / "0" / "opaque.png")
    colour.convert("P").save(root / "0" / "palette.png")
    colour.convert("L").save(root / "0" / "00-grey.png")
    Image.fromarray(rng.integers(0, 256, (20, 12, 3), np.uint8)).save(root / "0" / "00-large.png")
    Image.fromarray(rng.integers(0, 65536, (12, 12)).astype(np.uint16)).save(root / "1" / "deep.png")
    Image.fromarray(rng.integers(0, 256, (12, 12, 4), np.uint8)).save(root / "1" / "see-through.png")
    (root / "2" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (root / "2" / "cut.png").write_bytes((root / "2" / "02.png").read_bytes()[:200])
    (root / "2" / "empty.jpg").write_bytes(b"")
    return root


def _made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_files_that_cannot_be_read_stop_the_scan_or_are_listed(tmp_path, photos):
    assert "deep.png has the mode 'I;16'" in refused(tmp_path, photos, "--model-free")
    found = scanned(tmp_path, photos, "--model-free", "--on-error", "skip", code=3)  # more than 1 % of a class
    skipped, root = found["skipped"], f"{photos}/"
    broken = [f"2/{name}" for name in ("broken.png", "cut.png", "empty.jpg")]
    assert all("cannot be decoded as an image" in skipped.pop(name) for name in broken)
    assert {name: why.removeprefix(root) for name, why in skipped.items()} == {
        "1/deep.png": "1/deep.png has the mode 'I;16', expected 8-bit grey or RGB; convert it by its own range, as "
        "numpy.asarray(picture) // 256 does of 16 bits: picture.convert('L') cuts them off.",
        "1/see-through.png": "1/see-through.png has transparent pixels, expected none; flatten it onto a background.",
    }
    assert found["size"] == 64
    assert [told for told in found["warnings"] if "brought to" in told or "grey" in told] == [
        "1 of 64 images were brought to 12x12 pixels (that of most of them; choose another with --size): the smallest "
        "is 12x12, the largest 12x20. They were stretched as a whole (--fit stretch), by Pillow's bilinear filter.",
        "1 of 64 images are grey and were read as colour, as the others are.",
    ]
    shown = run("scan", photos, "--model-free", "--on-error", "skip", code=3).stdout
    assert "5 files could not be read and are not part of this scan" in shown
    assert "- 1/see-through.png: " in shown


def test_a_folder_in_which_nothing_can_be_read_is_nothing_to_scan(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "x.png").write_bytes(b"no")
    assert "cannot be decoded as an image" in refused(tmp_path, tmp_path / "photos", "--model-free")
    said = refused(tmp_path, tmp_path / "photos", "--model-free", "--on-error", "skip", code=3)
    assert "None of the 2 files of" in said


def test_each_file_is_decoded_once_and_content_stays_the_files_own(photos, monkeypatch):
    from whitesquare.data import readable_part
    from whitesquare.data.sources import folder

    calls = []
    decode = folder.decode_bytes
    monkeypatch.setattr(
        folder, "decode_bytes", lambda content, path, check: calls.append(path) or decode(content, path, check)
    )
    dataset, skipped = readable_part(open_dataset(photos))
    # Three of the five are no images by their headers: they are not decoded.
    assert (len(calls), len(set(calls)), len(dataset.ids), len(skipped)) == (66, 66, 64, 5)
    dataset.images(slice(None))
    dataset.images(np.array([3, 1]))
    assert len(calls) == 66
    assert dataset.content(0) == (photos / dataset.ids[0]).read_bytes()


def test_a_reference_that_overlaps_or_does_not_fit(tmp_path, data, tiny):
    images, labels = tiny.images(slice(None)), tiny.labels
    fresh = np.concatenate([images[:10], 255 - images[:20]])
    overlap = npz(tmp_path / "overlap.npz", fresh, labels[:30])
    found = scanned(tmp_path, data, "--model-free", "--reference", overlap, code=3)
    assert found["warnings"] == [
        "10 of the 30 trusted samples are in the scanned data as well; they were left out of the reference."
    ]
    assert found["reference_size"] == 20
    (tmp_path / "scan.json").unlink()
    foreign = npz(tmp_path / "foreign.npz", images, labels, ["0", "1", "horse"])
    assert "has the class 'horse'" in refused(tmp_path, data, "--model-free", "--reference", foreign)
    small = npz(tmp_path / "small.npz", images[:, :, :8], labels)
    assert "expected one size and number of channels" in refused(tmp_path, data, "--reference", small)
    assert "There is no file or folder" in refused(tmp_path, data, "--reference", tmp_path / "none")


def test_a_reference_that_is_the_data_itself(tmp_path, data):
    found = scanned(tmp_path, data, "--model-free", "--reference", data, code=3)
    assert found["reference_size"] == 0
    assert found["warnings"][0].startswith("60 of the 60 trusted samples")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--detectors", "pixel-contrst"), "Did you mean 'pixel-contrast'?"),
        (("--detectors", ","), "--detectors names none"),
        (("--seed", -1), "The seed must be a whole number from 0 on"),
        (("-o", "jsn"), "Did you mean 'json'?"),
        (("-o", "parquet"), "write -o parquet=FILE"),
        (("-o", "html="), "names no file"),
        (("--truth", "none.json"), "cannot be read as a ground truth"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, said, tmp_path, data):
    assert said in refused(tmp_path, data, *options)


def test_a_ground_truth_of_other_data_is_refused(tmp_path, data, tiny):
    write_dataset(tmp_path / "clean", tiny, tiny, "npz")
    run("poison", tmp_path / "clean", "--attack", "stamp", "--target", 0, "--count", 5, "-o", tmp_path / "run")
    truth = tmp_path / "run" / "ground-truth.json"
    assert scanned(tmp_path, tmp_path / "run", "--model-free", "--truth", truth, code=3)["fused_auroc"] >= 0
    (tmp_path / "scan.json").unlink()
    other = from_arrays(tiny.images(slice(None)), tiny.labels, ids=[f"x{i}" for i in range(60)])
    write_dataset(tmp_path / "other", other, None, "npz")
    said = refused(tmp_path, tmp_path / "other", "--model-free", "--truth", truth)
    assert "names 5 samples that are not in the data set" in said
    truth.write_bytes(b"\xff")
    assert "cannot be read as a ground truth" in refused(tmp_path, data, "--model-free", "--truth", truth)


def test_outputs_that_cannot_be_written_are_refused_before_any_work(tmp_path, data):
    (tmp_path / "file").write_text("mine")
    for name in ("file/scan.html", "file/a/scan.html"):
        said = refused(tmp_path, data, "--model-free", "-o", f"html={tmp_path / name}")
        assert "cannot be written" in said
    assert "cannot be written" in refused(tmp_path, data, "-o", "html=/proc/none/scan.html")
    assert "names a folder" in refused(tmp_path, data, "-o", f"html={tmp_path}")
    os.mkfifo(tmp_path / "pipe")
    assert "names a pipe" in refused(tmp_path, data, "-o", f"html={tmp_path / 'pipe'}")
    same = tmp_path / "same"
    assert "both name the file" in refused(tmp_path, data, "-o", f"html={same}", "-o", f"sarif={same}")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_missing_is_made(tmp_path, data):
    run("scan", data, "--model-free", "-o", f"junit={tmp_path / 'a' / 'b' / 'scan.xml'}", code=3)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["scan.xml"]


class Raising:
    name, rule_id, family, needs = "raising", "RA01", "latent", frozenset({"images"})

    def score(self, evidence):
        raise ZeroDivisionError("of its own making")


class Unable(Raising):
    def score(self, evidence):
        raise CannotScoreError("it cannot say anything about this")


def test_a_detector_that_raises_is_not_run_and_the_others_go_on(tmp_path, data, monkeypatch):
    monkeypatch.setitem(DETECTORS, "raising", Raising())
    found = scanned(tmp_path, data, "--model-free", "--detectors", "default,raising", code=2)
    assert found["not_run"]["raising"] == "it crashed: ZeroDivisionError: of its own making"
    assert found["verdict"] == "not checked"
    assert "pixel-contrast" not in found["not_run"]
    shown = run("scan", data, "--model-free", "--detectors", "raising", code=2).stdout
    assert "Crashed: raising (RA01): it crashed: ZeroDivisionError" in " ".join(shown.split())


def test_detectors_that_only_rank_can_find_nothing(tmp_path, data):
    found = scanned(tmp_path, data, "--model-free", "--detectors", "confident-learning", code=3)
    assert found["verdict"] == "not checked"
    assert found["reasons"][0].startswith("None of the 7 rules that raise alarms could have raised one")
    assert "confident-learning" not in found["not_run"]


def test_a_scan_in_which_nothing_ran_checked_nothing(tmp_path, data, monkeypatch):
    monkeypatch.setitem(DETECTORS, "raising", Unable())
    found = scanned(tmp_path, data, "--model-free", "--detectors", "raising,spectre", code=3)
    assert found["verdict"] == "not checked"
    assert found["not_run"]["raising"] == "it cannot say anything about this"
    said = run("cleanse", data, "--scan", tmp_path / "scan.json", "-o", tmp_path / "x", code=3).stderr
    assert "flags no sample (verdict: not checked)" in said


NO_TORCH = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
sys.meta_path.insert(0, Missing())
from whitesquare.cli import app
app({!r})
"""


@pytest.mark.long
def test_without_pytorch_only_a_model_free_scan_runs(tmp_path, data, monkeypatch):
    import whitesquare.errors

    find = whitesquare.errors.find_spec
    monkeypatch.setattr(whitesquare.errors, "find_spec", lambda name: None if name == "torch" else find(name))
    said = refused(tmp_path, data)
    assert "without --model-free needs torch; install it with: pip install 'whitesquare[train]'" in said
    out = tmp_path / "scan.json"
    asked = ["scan", str(data), "--model-free", "-o", f"json={out}"]
    done = subprocess.run([sys.executable, "-c", NO_TORCH.format(asked)], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr  # so few images
    assert not any(one["crashed"] for one in json.loads(out.read_text())["detectors"])
