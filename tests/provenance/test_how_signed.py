"""A list of files that is laid into a signed folder, or taken out of it, makes it no data set of another kind."""

from dataclasses import replace

import pytest

import whitesquare as ws
from tests.data.tables import write_csv
from whitesquare.errors import UsageError
from whitesquare.executor.engine import Way
from whitesquare.provenance import dataset as reading
from whitesquare.provenance.attest import attest
from whitesquare.signing.keys import load_trusted

from .attesting import NOW, attested, pictures


@pytest.fixture
def case(tmp_path):
    return attested(tmp_path, "png-folder", pictures(12))


def add_list(data, name="train/metadata.csv"):
    """A list that names every image, each with the label that its folder says."""
    base = (data / name).parent if "metadata" in name else data
    names = sorted(path.relative_to(base).as_posix() for path in data.rglob("*.png"))
    write_csv(data / name, [(one, one.split("/")[-2]) for one in names], ("file_name", "label"))


def found(case, folder, source=None, **how):
    return ws.verify(str(source or case.data), case.bundle, load_trusted(case.trust), folder, now=NOW, **how)


@pytest.mark.parametrize("name", ["train/metadata.csv", "train.csv"])
@pytest.mark.parametrize("way", [None, Way(workers=2)])
def test_a_list_in_a_signed_folder_hides_no_file_that_was_added(case, tmp_path, name, way):
    add_list(case.data, name)
    (case.data / "train" / "cat" / "evil.png").write_bytes(b"an image that the list does not name")
    record = found(case, tmp_path / "f", way=way)
    assert not record.ok
    assert record.counts["added"] == 2
    assert "2 added" in record.reason


def test_nor_does_it_where_the_statement_does_not_say_how_it_was_signed(case, tmp_path, monkeypatch):
    build = reading.dataset_predicate

    def older(*asked):
        said = build(*asked)
        return replace(said, content=replace(said.content, samples_only=None))

    monkeypatch.setattr(reading, "dataset_predicate", older)
    add_list(case.data)
    assert found(case, tmp_path / "f").counts["added"] == 1


def test_what_was_signed_as_a_list_is_compared_as_one_and_as_a_folder_once_the_list_is_gone(case, tmp_path):
    add_list(case.data)
    (case.data / "train" / "cat" / "aside.png").write_bytes(b"not in the list")
    attest(str(case.data), [case.trusted("other")], tmp_path / "again")
    listed = replace(case, attestation=tmp_path / "again")
    assert listed.signed.predicate.content.samples_only
    assert found(listed, tmp_path / "f").ok
    (case.data / "train" / "metadata.csv").unlink()
    assert found(listed, tmp_path / "g").counts["added"] == 1


def test_a_list_elsewhere_is_not_compared_with_a_signed_folder(case, tmp_path):
    names = sorted(path.relative_to(case.data).as_posix() for path in case.data.rglob("*.png"))
    write_csv(tmp_path / "list.csv", [(one, one.split("/")[-2]) for one in names], ("file_name", "label"))
    with pytest.raises(UsageError, match="is a folder with every file in it; give that folder"):
        found(case, tmp_path / "f", f"csv:{tmp_path / 'list.csv'}?root={case.data}")


def test_the_statement_says_how_it_was_signed(case):
    assert case.signed.predicate.content.samples_only is False
