"""Shards of which some are missing, are of another set, or lie where nobody reads them: refused, or told."""

import gzip
import tarfile

import numpy as np
import pytest

from tests.test_sharded import as_members
from whitesquare.data import notes, open_dataset
from whitesquare.data.numbered import gaps_in
from whitesquare.data.shards import shards_of
from whitesquare.errors import DataError

from .forms import pngs, write_tar
from .tables import write_parquet

IMAGES, LABELS = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), np.uint8), np.arange(6) % 2


def shards(folder, *names, images=IMAGES):
    for number, name in enumerate(names):
        write_tar(folder / name, as_members(images, LABELS[: len(images)], str(number)))
    return folder


def tables(folder, *names):
    rows = [({"bytes": content, "path": f"{key}.png"}, int(label)) for key, label, content in pngs(IMAGES, LABELS)]
    for name in names:
        folder.mkdir(exist_ok=True)
        write_parquet(folder / name, rows)
    return folder


def told(folder):
    dataset = open_dataset(folder)
    return len(dataset.ids), " ".join(notes(dataset))


@pytest.mark.parametrize("packed", ["train-1.tar.gz", "train-1.TGZ"])
def test_a_packed_shard_beside_plain_ones_is_refused_and_not_passed_over(tmp_path, packed):
    shards(tmp_path, "train-0.tar", "train-2.tar")
    (tmp_path / packed).write_bytes(gzip.compress((tmp_path / "train-0.tar").read_bytes()))
    with pytest.raises(DataError, match=rf"{packed} is compressed"):
        open_dataset(tmp_path)


def test_what_is_packed_and_of_no_split_does_not_matter(tmp_path):
    shards(tmp_path, "train-0.tar")
    (tmp_path / "backup.tar.gz").write_bytes(b"")
    assert told(tmp_path)[0] == 6


def test_a_shard_is_one_however_its_suffix_is_written(tmp_path):
    assert told(shards(tmp_path, "train-0.tar", "train-1.TAR"))[0] == 12
    assert told(tables(tmp_path / "p", "train-0.parquet", "train-1.PARQUET"))[0] == 12


def test_hidden_files_are_no_shards(tmp_path):
    """As macOS lays them beside each file of a disk that is not its own."""
    shards(tmp_path, "train-0.tar")
    (tmp_path / "._train-0.tar").write_bytes(b"resource fork")
    for source in (tmp_path, tmp_path / "*.tar"):
        assert told(source)[0] == 6


def test_shards_that_are_not_read_are_named(tmp_path):
    count, said = told(shards(tmp_path, "train-0.tar", "more.tar", "data/train-1.tar"))
    assert count == 6
    assert "more.tar, data/train-1.tar in " in said
    assert "not read" in said


def test_a_number_that_is_missing_is_told_and_days_are_no_series(tmp_path):
    assert (
        "train-0002.tar would stand between other shards"
        in told(shards(tmp_path, *(f"train-{number:04d}.tar" for number in (0, 1, 3))))[1]
    )
    assert gaps_in(tmp_path / f"train-{number}.tar" for number in (20240101, 20240301, 20250101)) == ()
    assert gaps_in(tmp_path / f"train-{number}.tar" for number in (1, 2, 3)) == ()


def test_an_empty_shard_is_told(tmp_path):
    shards(tmp_path, "train-0.tar")
    (tmp_path / "train-1.tar").write_bytes(bytes(10240))
    assert "hold no sample (train-1.tar)" in told(tmp_path)[1]


@pytest.mark.parametrize("write", [shards, tables])
def test_each_set_of_so_many_shards_is_whole(tmp_path, write):
    kind = "tar" if write is shards else "parquet"
    names = [f"train-{number:05d}-of-00003.{kind}" for number in range(3)]
    write(tmp_path / "whole", *names)
    assert told(tmp_path / "whole")[0] == 18
    write(tmp_path / "part", *names[:2], f"train-extra.{kind}")
    with pytest.raises(DataError, match="has 2 of the 3 shards"):
        open_dataset(tmp_path / "part")
    write(tmp_path / "two", *names, f"train-00000-of-00001.{kind}")
    with pytest.raises(DataError, match="shards of two sets"):
        open_dataset(tmp_path / "two")


def test_shards_that_count_from_one_are_whole_too(tmp_path):
    shards(tmp_path, *(f"train-{number:05d}-of-00002.tar" for number in (1, 2)))
    assert len(shards_of(tmp_path)["train"].files) == 2


@pytest.mark.parametrize(("content", "said"), [(b'{"label": 1, "label": 0}', "occurs twice"), (b'{"label": true}', "")])
def test_a_label_in_json_is_one(tmp_path, content, said):
    members = [(f"{key}.{kind}", what) for key, label, png in pngs(IMAGES, LABELS)
               for kind, what in (("png", png), ("json", b'{"label": %s}' % label.encode()))]  # fmt: skip
    write_tar(tmp_path / "a.tar", [*members[:-1], (members[-1][0], content)], tarfile.PAX_FORMAT)
    if said:
        with pytest.raises(DataError, match=said):
            open_dataset(tmp_path / "a.tar")
    else:
        assert open_dataset(tmp_path / "a.tar").classes == ("0", "1", "true")
