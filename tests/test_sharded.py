"""A scan in shards says what a scan of one piece says, in any order, by anybody, and after any accident."""

import json
import os
import shutil
import signal
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.forms import GREY, pngs, write_tar
from tests.data.objects.samples import Pictures, digits
from tests.programs import python
from tests.test_scan import CLASSES, planted
from tests.workers import dies
from whitesquare.data import from_arrays, open_dataset
from whitesquare.data.kept import kept_whole, read_kept, write_kept
from whitesquare.data.listing import shards_in
from whitesquare.detectors.noise_residual import NoiseResidual
from whitesquare.detectors.pixel_contrast import PixelContrast
from whitesquare.errors import ContractError, DataError, UnfinishedError, UsageError
from whitesquare.executor.engine import Engine, Way
from whitesquare.executor.inline import InlineExecutor
from whitesquare.jobs.scan import scan
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.reading import ToList, list_shard
from whitesquare.scanning.sharded.samples import groups_of
from whitesquare.scanning.sharded.steps import scan_in_shards
from whitesquare.scanning.stored import read_stored
from whitesquare.testing import check_detector

FREE = ScanSettings(model_free=True, detectors=("pixel-contrast", "noise-residual", "patch-contrast"))
NAMES = tuple(map(str, range(CLASSES)))
PER_TAR = 150


def same(one, other):
    """Whether two scan.json say the same, the time that each took apart."""
    records = [json.loads(text) for text in (one, other)]
    for record in records:
        record["seconds"] = {}
        record.pop("made", None)
        for run in record["detectors"]:
            run["seconds"] = 0
    return json.dumps(records[0]) == json.dumps(records[1])


def write_tars(folder, images, labels):
    """Write images into tar files of a shard each."""
    for number, start in enumerate(range(0, len(labels), PER_TAR)):
        part = slice(start, start + PER_TAR)
        write_tar(folder / f"train-{number:04d}.tar", as_members(images[part], labels[part]))
    return folder


@pytest.fixture(scope="module")
def poisoned():
    """600 images of five classes in shuffled order, a white patch on half of one class."""
    found, carries = planted(0.4)
    order = np.random.default_rng(0).permutation(len(found.labels))[:900]
    return found.images[order], found.labels[order], carries[order]


@pytest.fixture(scope="module")
def tars(poisoned, tmp_path_factory):
    """They lie in six tar files."""
    images, labels, _ = poisoned
    return write_tars(tmp_path_factory.mktemp("tars"), images, labels)


@pytest.fixture(scope="module")
def whole(tars):
    """What is found in one go, in groups of 300."""
    return scan(str(tars), FREE, way=Way(group=300)).json()


@pytest.fixture
def copied(tars, tmp_path):
    shutil.copytree(tars, tmp_path / "data")
    return tmp_path / "data"


def as_members(images, labels, prefix=""):
    """The members of a tar file of PNG files and their labels."""
    found = pngs(images, labels)
    return [
        (f"{prefix}{key}.{kind}", what)
        for key, label, png in found
        for kind, what in (("png", png), ("cls", label.encode()))
    ]


def places(folder, kind):
    """Which files of a step there are: a file that was written again is another one."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (folder / kind).glob("*.kept")}


@given(st.lists(st.sampled_from(["uint8", "int64", "float16", "float32", "bool"]), max_size=3), st.data())
@settings(max_examples=40)
def test_arrays_come_back_and_a_byte_that_changed_is_noticed(tmp_path_factory, kinds, data):
    path = tmp_path_factory.mktemp("kept") / "a.kept"
    rng = np.random.default_rng(0)
    shapes = [tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))) for _ in kinds]
    arrays = {
        f"{i} ü": (100 * rng.random(shape)).astype(kind)
        for i, (kind, shape) in enumerate(zip(kinds, shapes, strict=True))
    }
    write_kept(path, arrays, {"said": ["ü", 1]})
    found = read_kept(path)
    assert found.said == {"said": ["ü", 1]}
    for name, array in arrays.items():
        assert np.array_equal(found.array(name), array)
        assert found.array(name).dtype == array.dtype
        if len(array):
            assert np.array_equal(found.rows(name, np.array([len(array) - 1])), array[-1:])
    whole = path.read_bytes()
    content = bytearray(whole)
    content[data.draw(st.integers(0, len(whole) - 1))] ^= 1
    path.write_bytes(content)
    assert kept_whole(path) is None
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert kept_whole(path) is None
    path.with_name("b.kept").write_bytes(whole)
    assert kept_whole(path.with_name("b.kept")) is None


@pytest.mark.parametrize("content", [b"", b"whitesquare kept 2\n", b"whitesquare kept 2\n" + b"\xff" * 100, b"{}" * 50])
def test_what_is_no_file_of_ours_is_not_read(tmp_path, content):
    path = tmp_path / "a.kept"
    path.write_bytes(content)
    assert kept_whole(path) is None
    with pytest.raises(UnfinishedError, match=r"a\.kept"):
        read_kept(path)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 7), st.integers(0, 2**40))
def test_groups_have_their_share_of_every_class_whatever_the_order(labels, count, seed):
    labels = np.array(labels)
    digests = np.random.default_rng(0).integers(0, 256, (len(labels), 32), np.uint8)
    group = groups_of(labels, digests, seed, count)
    for label in np.unique(labels):
        sizes = np.bincount(group[labels == label], minlength=count)
        assert np.ptp(sizes) <= 1
    assert np.ptp(np.bincount(group, minlength=count)) <= 1
    order = np.random.default_rng(seed).permutation(len(labels))
    assert np.array_equal(groups_of(labels[order], digests[order], seed, count), group[order])


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_counted_in_parts_is_what_is_counted_at_once(channels, monkeypatch):
    monkeypatch.setattr("whitesquare.detectors.pixel_contrast._ROWS", 7)
    found, _ = planted(0.3, channels=channels)
    images, labels, detector = found.images, found.labels, PixelContrast()
    once, sizes = detector.score(found), np.bincount(found.labels)
    best = np.zeros(len(labels), np.float32)
    parts = [slice(1000, 1500), slice(0, 400), slice(400, 1000)]
    for band in detector.bands(images.shape[1:], CLASSES):
        counts = [detector.accumulate(None, band, images[part], labels[part], CLASSES) for part in parts]
        known = detector.finish(detector.merge(detector.merge(counts[0], counts[1]), counts[2]), band, sizes)
        np.maximum(best, detector.apply(known, band, images, labels), out=best)
    apart = detector.conclude(best, labels, found.classes)
    assert np.array_equal(apart.scores, once.scores)
    assert np.array_equal(apart.class_stats, once.class_stats)
    assert [hint.carriers.tolist() for hint in apart.hints] == [hint.carriers.tolist() for hint in once.hints]


def test_a_few_numbers_of_each_sample_say_all_that_its_grain_says():
    found, _ = planted(0.3)
    detector = NoiseResidual()
    numbers = np.concatenate([detector.numbers(found.images[:7]), detector.numbers(found.images[7:])])
    once, apart = detector.score(found), detector.judged(numbers, found.labels, found.classes)
    assert np.array_equal(apart.scores, once.scores)
    assert np.array_equal(apart.class_stats, once.class_stats)


@pytest.mark.parametrize("detector", [PixelContrast(), NoiseResidual()], ids=lambda one: one.name)
def test_the_contract_of_detectors_looks_at_parts(detector):
    found, _ = planted(0.3)
    check_detector(detector, found)

    @dataclass(frozen=True)
    class Forgetful(type(detector)):
        def merge(self, one, other):
            return one

        def numbers(self, images):
            return np.zeros_like(super().numbers(images))

    with pytest.raises(ContractError, match="as of parts that are put together"):
        check_detector(Forgetful(), found)


def test_photographs_are_not_counted_at_every_place():
    assert PixelContrast().bands((3, 64, 64), 10) == ()


@pytest.mark.long
@pytest.mark.parametrize("form", ["tar", "parquet", "folder", "npz"])
def test_one_group_is_judged_as_a_scan_of_one_piece_judges(form, poisoned, tmp_path):
    images, labels, _ = poisoned
    place = GREY[form](tmp_path / "data", images[:500], labels[:500])
    dataset = open_dataset(place)
    plain, sharded = run_scan(dataset, FREE), scan_in_shards(dataset, FREE, Way()).scan
    assert sharded.result.digest == plain.result.digest
    assert sharded.result.verdict == plain.result.verdict == "suspicious"
    assert sharded.result.classes == plain.result.classes
    assert sharded.result.flagged == plain.result.flagged
    for name, scores in plain.scores.by_detector.items():
        assert np.array_equal(sharded.scores.by_detector[name], scores), name
    assert sharded.result.reasons == plain.result.reasons
    assert [replace(alarm, p_value=0) for alarm in sharded.result.alarms] == [
        replace(alarm, p_value=0) for alarm in plain.result.alarms
    ]


def test_in_groups_all_carriers_are_found_and_the_report_says_who_looked_at_what(tars, poisoned):
    _, labels, carries = poisoned
    found = scan(str(tars), FREE, way=Way(group=300))
    (alarm,) = found.alarms
    assert alarm.class_name == "2"
    marked = {flag.position for flag in found.scan.result.flagged if flag.tier == "suspicious"}
    assert set(np.flatnonzero(carries)) <= marked
    assert len(marked) <= carries.sum() + 3
    assert np.isfinite(found.scan.scores.by_detector["patch-contrast"]).all()
    said = json.loads(found.json())["sharding"]
    assert (said["shards"], said["groups"]) == (6, 3)
    assert said["whole"] == ["pixel-contrast", "noise-residual"]
    assert said["grouped"] == ["patch-contrast"]
    sizes = np.bincount(labels)
    assert said["least_of_class"] in (sizes.min() // 3, sizes.min() // 3 + 1)
    assert any("3 stratified groups" in warning for warning in found.scan.result.warnings)


def test_what_was_found_can_be_shown_again(tars, whole, tmp_path):
    (tmp_path / "scan.json").write_text(whole)
    stored = read_stored(tmp_path / "scan.json").result
    assert stored.sharding.groups == 3
    assert "stratified groups" in stored.warnings[0]


def test_the_order_of_the_work_decides_nothing(tars, whole, monkeypatch):
    run = InlineExecutor.run

    def backwards(self, work, items, shared):
        for outcome in run(self, work, items[::-1], shared):
            yield replace(outcome, index=len(items) - 1 - outcome.index)

    monkeypatch.setattr(InlineExecutor, "run", backwards)
    assert same(scan(str(tars), FREE, way=Way(group=300)).json(), whole)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 8])
def test_the_number_of_workers_decides_nothing(tars, whole, workers):
    assert same(scan(str(tars), FREE, way=Way(workers=workers, group=300)).json(), whole)


@pytest.mark.long
def test_processes_leave_the_files_that_this_process_leaves(tars, tmp_path):
    left = []
    for workers in (1, 2):
        folder, engine = tmp_path / str(workers), Engine(Way(workers=workers))
        shards = shards_in(open_dataset(tars), folder)
        done = engine.map("listing", list_shard, [ToList(shard.listing, folder) for shard in shards])
        left.append([(one.path.name, one.path.read_bytes()) for one in done])
    assert left[0] == left[1]
    assert len(left[0]) == 6


def test_a_scan_that_was_killed_is_taken_up_again_and_nothing_done_twice(tars, whole, tmp_path):
    kept = tmp_path / "kept"
    code = (
        "import os, signal\n"
        "from whitesquare.jobs.scan import scan\n"
        "from whitesquare.scanning.settings import ScanSettings\n"
        "from whitesquare.executor.engine import Way\n"
        "from pathlib import Path\n"
        "def watch(step, done, total):\n"
        "    if (step, done) == ({step!r}, {at}): os.kill(os.getpid(), signal.SIGKILL)\n"
        "way = Way(group=300, folder=Path({kept!r}))\n"
        "names = {names!r}\n"
        "scan({data!r}, ScanSettings(model_free=True, detectors=names), way=way, on_progress=watch)\n"
    )
    seen = {}
    for step, at in (("reading shards", 4), ("running detectors", 2)):
        asked = code.format(step=step, at=at, kept=str(kept), data=str(tars), names=FREE.detectors)
        assert python("-c", asked).returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        for kind in ("index", "pixels", "bands", "scores"):
            now = places(kept, kind)
            assert seen.get(kind, {}).items() <= now.items(), f"{kind} was made again after {step}"
            seen[kind] = now
    assert len(seen["pixels"]) == 6
    assert same(scan(str(tars), FREE, way=Way(group=300, folder=kept)).json(), whole)
    assert places(kept, "pixels") == seen["pixels"]


def test_a_file_that_was_damaged_is_made_again_and_no_other(tars, whole, tmp_path):
    way = Way(group=300, folder=tmp_path / "kept")
    scan(str(tars), FREE, way=way)
    before = places(way.folder, "pixels")
    victim = next((way.folder / "pixels").glob("*.kept"))
    with victim.open("r+b") as file:
        file.seek(-70, os.SEEK_END)
        file.write(b"\1\2\3")
    assert same(scan(str(tars), FREE, way=way).json(), whole)
    after = places(way.folder, "pixels")
    assert {name for name in before if before[name] != after[name]} == {victim.name}


def test_data_that_changed_are_read_again_and_only_these(copied, tars, tmp_path):
    way = Way(group=300, folder=tmp_path / "kept")
    scan(str(copied), FREE, way=way)
    before = places(way.folder, "pixels")
    images, labels = np.zeros((PER_TAR, 1, 16, 16), np.uint8), np.arange(PER_TAR) % CLASSES
    images[:, 0, 0, 0] = np.arange(PER_TAR)
    write_tar(copied / "train-0003.tar", as_members(images, labels, "z"))
    again = scan(str(copied), FREE, way=way).json()
    assert same(again, scan(str(copied), FREE, way=Way(group=300)).json())
    assert len(places(way.folder, "pixels").items() - before.items()) == 1


def test_the_same_bytes_in_another_shape_are_other_images(tmp_path):
    pixels, labels = np.arange(4 * 6 * 8, dtype=np.uint8), np.arange(4) % 2
    shapes = ((4, 1, 6, 8), (4, 1, 8, 6))
    found = [shards_in(from_arrays(pixels.reshape(shape), labels), tmp_path)[0].listing for shape in shapes]
    assert [read_kept(path).array("pixels").shape for path in found] == list(shapes)


def test_images_that_changed_under_the_same_labels_are_judged_anew(poisoned, tmp_path):
    images, labels, _ = poisoned
    way = Way(folder=tmp_path / "kept")
    scan(from_arrays(images // 2, labels, classes=NAMES), FREE, way=way)
    again = scan(from_arrays(images, labels, classes=NAMES), FREE, way=way)
    assert same(again.json(), scan(from_arrays(images, labels, classes=NAMES), FREE, way=Way()).json())


def test_a_shard_that_changes_while_it_is_read_is_refused(copied):
    file = copied / "train-0002.tar"
    state = file.stat()

    def change(step, done, total):
        if (step, done) == ("reading shards", 0):
            content = bytearray(file.read_bytes())
            content[600] ^= 255
            file.write_bytes(content)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(DataError, match="was changed since it was listed; start the scan again"):
        scan(str(copied), FREE, way=Way(), on_progress=change)


@pytest.mark.parametrize("accident", ["missing", "cut", "other"])
def test_a_shard_that_is_gone_cut_or_of_another_kind_is_named(copied, accident):
    file = copied / "train-0001.tar"

    def harm(step, done, total):
        if (step, done) != ("listing shards", 0):
            return
        if accident == "missing":
            file.unlink()
        else:
            content = file.read_bytes()
            file.write_bytes(content[:5000] if accident == "cut" else b"PAR1" * (len(content) // 4))

    with pytest.raises(DataError, match=r"train-0001"):
        scan(str(copied), FREE, way=Way(), on_progress=harm)


def test_what_cannot_be_read_is_left_out_counted_and_no_pass(copied, tmp_path):
    broken = [("00000.png", b"no picture"), ("00000.cls", b"1")]
    images, labels = np.zeros((20, 1, 16, 16), np.uint8), np.ones(20, np.int64)
    images[:, 0, 3, 3] = np.arange(20)
    members = as_members(images, labels, "a")
    write_tar(copied / "train-0006.tar", [*broken, *members, ("b.png", b""), ("b.cls", b"3")])
    with pytest.raises(DataError, match=r"00000\.png"):
        scan(str(copied), FREE, way=Way())
    result = scan(str(copied), FREE, way=Way(), skip_unreadable=True).scan.result
    assert set(result.skipped) == {"train-0006.tar/00000.png", "train-0006.tar/b.png"}
    assert [row.left_out for row in result.classes] == [0, 1, 0, 1, 0]
    assert result.sharding.left_out == {"6": 2}
    assert result.size == 920


def test_a_file_that_could_not_be_read_is_read_once_it_can_be(poisoned, tmp_path, monkeypatch):
    images, labels, _ = poisoned
    place, way = GREY["folder"](tmp_path / "data", images[:200], labels[:200]), Way(folder=tmp_path / "kept")

    def refused(path):
        raise DataError(f"{path} cannot be read (Permission denied)")

    with monkeypatch.context() as patch:
        patch.setattr("whitesquare.data.sources.folder.read_image", refused)
        with pytest.raises(DataError, match="Permission denied"):
            scan(str(place), FREE, way=way)
    assert scan(str(place), FREE, way=way).scan.result.size == 200


def test_a_class_of_which_much_is_left_out_ends_with_exit_code_3(tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 255, (60, 1, 16, 16), np.uint8), np.arange(60) % 3
    members = as_members(images, labels)
    broken = [("z.png", b"no picture"), ("z.cls", b"1")]
    file = write_tar(tmp_path / "a.tar", [*members, *broken])
    asked = ["-m", "whitesquare.cli", "scan", file, "--model-free", "--workers", 1, "--on-error", "skip"]
    done = python(*asked, "--detectors", "noise-residual")
    assert done.returncode == 3, done.stderr
    assert "1 of 21 of class 1" in done.stdout


def test_a_folder_of_other_settings_is_refused_and_the_difference_named(tars, tmp_path):
    way = Way(group=300, folder=tmp_path / "kept")
    scan(str(tars), FREE, way=way)
    with pytest.raises(UsageError, match="seed was 0, and is 1"):
        scan(str(tars), replace(FREE, seed=1), way=way)
    with pytest.raises(UsageError, match="group was 300, and is 200"):
        scan(str(tars), FREE, way=replace(way, group=200))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("important")
    with pytest.raises(UsageError, match="holds something else"):
        scan(str(tars), FREE, way=replace(way, folder=tmp_path / "other"))
    (way.folder / "run.json").write_text("[]")
    with pytest.raises(UsageError, match="not what a scan in shards writes"):
        scan(str(tars), FREE, way=way)


def test_two_runs_in_one_folder_are_refused(tars, tmp_path):
    way, said = Way(group=300, folder=tmp_path / "kept"), []

    def again(step, done, total):
        if (step, done) == ("reading shards", 1):
            with pytest.raises(UsageError, match="Another run works in"):
                scan(str(tars), FREE, way=way)
            said.append(step)

    scan(str(tars), FREE, way=way, on_progress=again)
    assert said


def test_a_folder_that_others_can_write_is_refused(tars, tmp_path):
    (tmp_path / "kept").mkdir(mode=0o777)
    (tmp_path / "kept").chmod(0o777)
    with pytest.raises(UsageError, match="not this user's alone"):
        scan(str(tars), FREE, way=Way(folder=tmp_path / "kept"))


def test_a_worker_that_the_machine_kills_is_told_with_what_to_do():
    with pytest.raises(UnfinishedError, match=r"no memory for; take fewer --workers"):
        Engine(Way(workers=2)).map("dying", dies, [1, 2])


def test_a_full_disk_is_told_before_anything_is_written(tars, monkeypatch):
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: full)
    with pytest.raises(DataError, match=r"the pixels of 900 images of 16x16 take"):
        scan(str(tars), FREE, way=Way())


def test_a_disk_that_fills_up_is_told_and_the_scan_goes_on_when_there_is_room(tars, whole, tmp_path, monkeypatch):
    way = Way(group=300, folder=tmp_path / "kept")
    replace_file, count = os.replace, []

    def full(self, target):
        if self.parent.name == "pixels":
            count.append(1)
            if len(count) > 3:
                raise OSError(28, "No space left on device")
        return replace_file(self, target)

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", full)
        with pytest.raises(UnfinishedError, match=r"is full.*make room"):
            scan(str(tars), FREE, way=way)
    assert not list(way.folder.rglob("*.part"))
    before = places(way.folder, "pixels")
    assert len(before) == 3
    assert same(scan(str(tars), FREE, way=way).json(), whole)
    assert before.items() <= places(way.folder, "pixels").items()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--ray", "127.0.0.1:1"), "add --resume DIR"),
        (("--workers", 0), "--workers"),
    ],
)
def test_what_cannot_be_done_in_shards_is_said(tars, asked, said):
    done = python("-m", "whitesquare.cli", "scan", tars, "--model-free", *asked)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_arrays_in_memory_are_scanned_in_shards_as_well(poisoned, tmp_path):
    images, labels, _ = poisoned
    dataset = from_arrays(images, labels, classes=NAMES, ids=[f"mine/{i}" for i in range(len(labels))])
    found = scan(dataset, FREE, way=Way(group=300, folder=tmp_path / "kept"))
    assert found.verdict == "suspicious"
    assert found.contents()  # each of what the data set gives


def test_objects_are_read_from_the_object_and_not_from_files_of_its_ids():
    pictures = Pictures(digits(600))
    plain, sharded = scan(pictures, FREE), scan(pictures, FREE, way=Way(group=300))
    assert sharded.scan.result.digest == plain.scan.result.digest
    assert sharded.scan.result.size == 600
