"""What people decided is what the copy is: removed, relabelled in the source's own form, kept, or refused."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.data.tables import as_struct, write_csv, write_parquet
from whitesquare.cli import app
from whitesquare.data import from_arrays, open_dataset, write_dataset
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.jobs.cleanse import Cleansing, cleanse
from whitesquare.jobs.review import decide
from whitesquare.types import ImageDataset

from .scans import CLASSES, picture, write_folder, write_scan


def rows(top: Path) -> list[tuple[str, str]]:
    write_folder(top / "images")
    return [(f"images/{name}/{number}.png", name) for name in CLASSES for number in range(4)]


def folder(top: Path) -> str:
    return str(write_folder(top / "photos"))


def splits(top: Path) -> str:
    write_folder(top / "photos" / "train")
    write_folder(top / "photos" / "test")
    return str(top / "photos")


def csv_list(top: Path) -> str:
    write_csv(top / "list.csv", rows(top), ("file", "label"))
    return str(top / "list.csv")


def json_lines(top: Path) -> str:
    lines = [json.dumps({"file_name": name, "label": label, "other": 'a, "b"'}) for name, label in rows(top)]
    (top / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return str(top)


def parquet(top: Path) -> str:
    """Two shards with names of classes in the schema: labels are positions in them."""
    structs = [(as_struct(top, name), CLASSES.index(label)) for name, label in rows(top)]
    for shard in range(2):
        write_parquet(top / "pq" / f"train-0000{shard}-of-00002.parquet", structs[shard::2], names=CLASSES)
    return str(top / "pq")


def arrays(top: Path, form: str) -> str:
    images = np.stack([np.pad(picture(i), 10) for i in range(12)])
    write_dataset(top / form, from_arrays(images, np.arange(12) % 3), None, form)
    return str(top / form)


FORMS: dict[str, Callable[[Path], str]] = {
    "folder": folder,
    "splits": splits,
    "csv": csv_list,
    "jsonl": json_lines,
    "parquet": parquet,
    "npz": lambda top: arrays(top, "npz"),
    "idx": lambda top: arrays(top, "idx"),
}


def known(dataset: ImageDataset) -> list[tuple[str, str]]:
    """Content and class name of every sample, in any order."""
    return sorted(
        (hashlib.sha256(dataset.content(i)).hexdigest(), dataset.classes[label])
        for i, label in enumerate(dataset.labels.tolist())
    )


@pytest.mark.parametrize("form", FORMS)
def test_what_people_decided_is_what_is_written_in_the_form_of_the_source(tmp_path: Path, form: str) -> None:
    (tmp_path / "source").mkdir()
    source = FORMS[form](tmp_path / "source")
    before = open_dataset(source)
    names, labels = list(before.ids), before.labels.tolist()
    of = {label: [name for name, one in zip(names, labels, strict=True) if one == label] for label in set(labels)}
    gone, moved, stays = of[0][0], of[0][1], of[1][0]
    scan = write_scan(tmp_path / "scan.json", source, dict.fromkeys((gone, moved, stays, of[2][0]), "suspicious"))
    target = before.classes[2]
    decide(scan, [gone], "remove", by="ann", why="a white square", role="review")
    decide(scan, [moved], "relabel", by="ann", label=target)
    decide(scan, [stays], "keep", by="ann")
    done = cleanse(source, scan, tmp_path / "out", decisions=scan.with_name("decisions.jsonl"))
    after = open_dataset(done.copy)
    assert after.kind == before.kind
    assert after.classes == before.classes
    expected = [
        (content, target if content == known_content(before, moved) else name)
        for content, name in known(before)
        if content != known_content(before, gone)
    ]
    assert known(after) == sorted(expected)
    assert done.undecided == (of[2][0],)
    (one,) = done.relabelled
    assert (one.id, one.before, one.after) == (moved, before.classes[0], target)
    place = list(after.ids).index(one.written)
    assert after.classes[after.labels[place]] == target
    assert hashlib.sha256(after.content(place)).hexdigest() == known_content(before, moved)


def known_content(dataset: ImageDataset, name: str) -> str:
    return hashlib.sha256(dataset.content(list(dataset.ids).index(name))).hexdigest()


def test_files_that_are_called_alike_in_two_classes_both_stay(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "photos")
    scan = write_scan(tmp_path / "scan.json", source, {"cat/1.png": "suspicious"})
    decide(scan, ["cat/1.png", "owl/1.png"], "relabel", by="ann", label="dog")
    done = cleanse(source, scan, tmp_path / "out", decisions=scan.with_name("decisions.jsonl"))
    assert {one.written for one in done.relabelled} == {"dog/1-2.png", "dog/1-3.png"}
    assert (tmp_path / "out/dog/1.png").read_bytes() == (source / "dog/1.png").read_bytes()
    assert (tmp_path / "out/dog/1-2.png").read_bytes() == (source / "cat/1.png").read_bytes()


def test_other_columns_rows_and_line_breaks_of_a_list_stay_as_they_are(tmp_path: Path) -> None:
    write_folder(tmp_path / "images")
    text = "file,label,note\r\n" + "".join(
        f'images/{name}/{number}.png,{name},"a ""quoted"", note"\r\n' for name in CLASSES for number in range(4)
    )
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    source = str(tmp_path / "list.csv")
    scan = write_scan(tmp_path / "scan.json", source, {"images/cat/1.png": "suspicious"})
    decide(scan, ["images/cat/1.png"], "relabel", by="ann", label="dog")
    done = cleanse(source, scan, tmp_path / "out", decisions=scan.with_name("decisions.jsonl"))
    expected = text.replace("images/cat/1.png,cat", "images/cat/1.png,dog")
    assert Path(done.copy).read_bytes() == b"\xef\xbb\xbf" + expected.encode()


def test_an_object_is_written_with_the_labels_that_people_gave(tmp_path: Path) -> None:
    images = np.stack([picture(i) for i in range(12)])
    mine = from_arrays(images, np.arange(12) % 3, classes=CLASSES)
    scan = write_scan(tmp_path / "scan.json", mine, {mine.ids[0]: "suspicious"}, name="mine")
    decide(scan, [mine.ids[0]], "relabel", by="ann", label="owl", data=mine)
    cleanse(mine, scan, tmp_path / "out", decisions=scan.with_name("decisions.jsonl"))
    found = open_dataset(tmp_path / "out")
    assert found.labels.tolist() == [2, *(np.arange(12) % 3)[1:]]
    assert np.array_equal(found.images(slice(None))[:, 0], images)


def test_a_form_that_cannot_say_it_says_what_to_do(tmp_path: Path) -> None:
    """Labels in a tar file are members of their own, which are written as they are."""
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        write_folder(tmp_path / "images")
        for name, label in [(f"{n}/{i}", n) for n in CLASSES for i in range(4)]:
            for suffix, data in (("png", (tmp_path / "images" / f"{name}.png").read_bytes()), ("cls", label.encode())):
                info = tarfile.TarInfo(f"{name.replace('/', '-')}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    source = str(tmp_path / "train.tar")
    (first, *_) = open_dataset(source).ids
    scan = write_scan(tmp_path / "scan.json", source, {first: "suspicious"})
    log = scan.with_name("decisions.jsonl")
    decide(scan, [first], "relabel", by="ann", label="dog")
    with pytest.raises(UsageError, match=r"keep their labels in members.*--format"):
        cleanse(source, scan, tmp_path / "out", decisions=log)
    assert not (tmp_path / "out").exists()
    cleanse(source, scan, tmp_path / "out", decisions=log, fmt="png-folder")
    assert open_dataset(tmp_path / "out").labels.tolist() == [0] * 3 + [1] * 5 + [2] * 4
    decide(scan, [first], "remove", by="ann")
    assert len(open_dataset(cleanse(source, scan, tmp_path / "less", decisions=log).copy).ids) == 11


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos")


@pytest.fixture
def scan(photos: Path) -> Path:
    return write_scan(photos.parent / "scan.json", photos, {"cat/0.png": "confirmed", "dog/0.png": "review"})


def done(photos: Path, scan: Path, **options: Any) -> Cleansing:
    return cleanse(photos, scan, scan.with_name("out"), decisions=scan.with_name("decisions.jsonl"), **options)


def test_only_what_people_decided_counts_and_not_the_tiers(photos: Path, scan: Path) -> None:
    decide(scan, ["cat/0.png"], "keep", by="ann")
    decide(scan, ["owl/0.png", "dog/0.png"], "remove", by="ann", why="blurred")
    found = done(photos, scan)
    assert [(one.id, one.tier) for one in found.removed] == [("dog/0.png", "review"), ("owl/0.png", "")]
    assert (scan.with_name("out") / "cat" / "0.png").is_file()
    record = json.loads((scan.with_name("out") / "removed.json").read_text())
    (said,) = record["removed"][1]["decided"]
    assert (said["by"], said["why"], said["choice"]) == ("ann", "blurred", "remove")
    assert record["decisions"]["sha256"] == hashlib.sha256(scan.with_name("decisions.jsonl").read_bytes()).hexdigest()
    with pytest.raises(UsageError, match="only what people decided counts"):
        done(photos, scan, tier="review")
    with pytest.raises(UsageError, match="add --decisions"):
        cleanse(photos, scan, scan.with_name("other"), keep_open=True)


@pytest.mark.parametrize("second", ["remove", "unsure", "relabel"])
def test_disagreement_and_doubt_stop_until_somebody_asks_for_it(photos: Path, scan: Path, second: str) -> None:
    decide(scan, ["owl/1.png"], "remove", by="ann")
    decide(scan, ["cat/0.png"], "keep", by="ann")
    decide(scan, ["cat/0.png"], second, by="bob", label="dog" if second == "relabel" else "")
    with pytest.raises(UsageError, match=r"about 1 sample and are unsure about 0 \('cat/0\.png'\).*--keep-open"):
        done(photos, scan)
    assert not scan.with_name("out").exists()
    found = done(photos, scan, keep_open=True)
    assert found.kept_open == ("cat/0.png",)
    assert (scan.with_name("out") / "cat" / "0.png").is_file()
    assert json.loads((scan.with_name("out") / "removed.json").read_text())["kept_open"] == ["cat/0.png"]
    decide(scan, ["cat/0.png"], "unsure", by="bob")
    decide(scan, ["cat/0.png"], "unsure", by="ann")
    with pytest.raises(UsageError, match="unsure about 1"):
        done(photos, scan)


def test_nothing_to_change_is_told(photos: Path, scan: Path) -> None:
    decide(scan, ["cat/0.png"], "keep", by="ann")
    decide(scan, ["dog/0.png"], "relabel", by="ann", label="dog")
    with pytest.raises(NothingToDoError, match="of the 2 samples decided on"):
        done(photos, scan)


def test_a_class_that_would_lose_its_last_sample(photos: Path, scan: Path) -> None:
    decide(scan, [f"cat/{i}.png" for i in range(3)], "remove", by="ann")
    decide(scan, ["cat/3.png"], "relabel", by="ann", label="dog")
    with pytest.raises(DataError, match="Every sample of the class 'cat'"):
        done(photos, scan)
    decide(scan, ["dog/1.png"], "relabel", by="ann", label="cat")
    assert len(done(photos, scan).relabelled) == 2


def test_data_that_changed_since_name_the_samples(photos: Path, scan: Path) -> None:
    decide(scan, ["cat/0.png"], "remove", by="ann")
    (photos / "cat" / "0.png").write_bytes((photos / "cat" / "1.png").read_bytes())
    with pytest.raises(DataError, match=r"'cat/0\.png' has changed since"):
        done(photos, scan)
    (photos / "cat" / "0.png").unlink()
    with pytest.raises(DataError, match=r"'cat/0\.png' is not in the data set"):
        done(photos, scan)
    assert not scan.with_name("out").exists()


def test_data_that_changed_where_nobody_decided_are_another_data_set(photos: Path, scan: Path) -> None:
    decide(scan, ["cat/0.png"], "remove", by="ann")
    (photos / "owl" / "3.png").unlink()
    with pytest.raises(DataError, match="it is another one, or was changed since"):
        done(photos, scan)


def test_the_command_tells_what_became_of_what(photos: Path, scan: Path) -> None:
    decide(scan, ["cat/0.png", "owl/2.png"], "relabel", by="ann", label="dog")
    decide(scan, ["owl/1.png"], "unsure", by="ann")
    log, out = scan.with_name("decisions.jsonl"), scan.with_name("out")
    arguments = ["cleanse", str(photos), "--scan", str(scan), "--decisions", str(log), "-o", str(out)]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "--keep-open" in refused.output
    found = CliRunner().invoke(app, [*arguments, "--keep-open"])
    assert found.exit_code == 0, found.output
    text = " ".join(found.output.split())
    assert "Removed 0 of 12 samples: see" in text
    assert "2 samples have another class: \u201ccat/0.png\u201d is \u201cdog\u201d and was \u201ccat\u201d" in text
    assert "1 sample stays about which people are unsure or disagree." in text
    assert "1 flagged sample stays because nobody decided about it." in text
