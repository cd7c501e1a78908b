"""A diff names every change and nothing else, whatever was done, and can be undone by what it says."""

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitesquare.provenance.changes import count_moves, nearest_ids, read_changes, read_groups, write_changes
from whitesquare.provenance.diff import diff
from whitesquare.provenance.hashing import NOTHING
from whitesquare.provenance.listing import make_manifest
from whitesquare.provenance.manifest import Block, manifest_writer, read_items
from whitesquare.provenance.types import KINDS, Change, Item

from .edits import KINDS as EDITS
from .edits import make_tree, tamper

NUMBER = count()


def write(folder: Path, items, *, pixels: bool = False) -> Path:
    path = folder / f"{next(NUMBER)}.parquet"
    items = sorted(items, key=lambda item: (item.id.encode(), item.split))
    columns = zip(*((one.id, one.label, one.split, one.size, one.sha256) for one in items), strict=True)
    with manifest_writer(path, pixels=pixels) as writer:
        if items:
            ids, labels, splits, sizes, digests = columns
            shown = b"".join(one.pixels or NOTHING for one in items) if pixels else b""
            writer.add(Block(ids, labels, splits, sizes, b"".join(digests), shown))
    return path


def changes_of(folder: Path, old, new, **options) -> tuple[list[Change], dict[str, int]]:
    output = folder / f"{next(NUMBER)}.changes.parquet"
    counts = diff(write(folder, old), write(folder, new), output, **options)
    found = [change for kind in KINDS if counts[kind] for change in read_changes(output, kind)]
    assert sum(one.count for one in read_groups(output, 1)) == len(found)
    assert counts == {kind: sum(one.kind == kind for one in found) for kind in KINDS}
    return found, counts


def item(id: str, label: str = "cat", split: str = "train", content: object = None) -> Item:
    return Item(id, label, split, 7, sha256(repr(id if content is None else content).encode()).digest())


# --- any two states ---------------------------------------------------------------------------------------------

names = st.sampled_from([f"{folder}/{name}.png" for folder in ("cat", "dog") for name in "abcde"])
states = st.dictionaries(
    st.tuples(names, st.sampled_from(["train", "test"])),
    st.tuples(st.sampled_from(["cat", "dog", ""]), st.integers(0, 5)),
    max_size=12,
).map(lambda rows: [item(id, label, split, content) for (id, split), (label, content) in rows.items()])
positional_states = st.tuples(*[st.lists(st.tuples(st.sampled_from("01"), st.integers(0, 6)), max_size=9)] * 2).map(
    lambda splits: [
        item(f"{split}/{position:05}", label, split, content)
        for split, rows in zip(("train", "test"), splits, strict=True)
        for position, (label, content) in enumerate(rows)
    ]
)
quick = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def check_account(old: list[Item], new: list[Item], found: list[Change]) -> tuple[list[Item], list[Item]]:
    """Every row of both states is accounted for once; returns what is left on both sides after the same rows."""
    before, after = ({(one.id, one.split): one for one in state} for state in (old, new))
    partners: dict[tuple[str, str], tuple[str, str]] = {}
    for one in found:
        if one.kind in ("changed", "relabelled", "renamed"):
            was, now = before[one.id, one.split], after[one.new_id, one.new_split]
            assert (one.label, one.new_label) == (was.label, now.label)
            assert partners.setdefault((one.id, one.split), (one.new_id, one.new_split)) == (one.new_id, one.new_split)
            assert (was.sha256 == now.sha256) == (one.kind != "changed") or was.label != now.label
            if one.kind == "relabelled":
                assert was.label != now.label
            if one.kind == "renamed":
                assert (was.sha256, was.label) == (now.sha256, now.label)
                assert (one.id, one.split) != (one.new_id, one.new_split)
    named = {(one.id, one.split) for one in found if one.kind != "added"}
    came = [(one.new_id, one.new_split) for one in found if one.kind == "added"]
    gone = [(one.id, one.split) for one in found if one.kind == "removed"]
    assert not set(gone) & set(partners)
    assert len(set(came) | set(partners.values())) == len(came) + len(partners)
    same = [key for key in before if key not in named]
    assert all(after.get(key) == before[key] for key in same)
    assert len(same) + len(came) + len(partners) == len(new)
    assert len(same) + len(gone) + len(partners) == len(old)
    return [before[key] for key in gone], [after[key] for key in came]


@pytest.mark.long
@quick
@given(old=states, new=states)
def test_any_two_states_are_told_apart(tmp_path, old, new) -> None:
    found, counts = changes_of(tmp_path, old, new)
    gone, came = check_account(old, new, found)
    assert not {one.sha256 for one in gone} & {one.sha256 for one in came}
    before, after = ({(one.id, one.split): one for one in state} for state in (old, new))
    both = before.keys() & after.keys()
    other = {key for key in both if before[key].sha256 != after[key].sha256}
    assert {(one.id, one.split) for one in found if one.kind == "changed"} == other
    # As many samples as possible keep their label, and of those as many as possible their split.
    left = [
        Counter((one.sha256, one.label) for key, one in state.items() if key not in both) for state in (before, after)
    ]
    assert counts["renamed"] == (left[0] & left[1]).total()
    stay = [
        Counter((one.sha256, one.label, one.split) for key, one in state.items() if key not in both)
        for state in (before, after)
    ]
    assert sum(one.split == one.new_split for one in found if one.kind == "renamed") == (stay[0] & stay[1]).total()


@pytest.mark.long
@quick
@given(old=positional_states, new=positional_states)
def test_any_two_states_of_positions_are_told_apart(tmp_path, old, new) -> None:
    found, _ = changes_of(tmp_path, old, new, positional=True)
    gone, came = check_account(old, new, found)
    assert not {one.sha256 for one in gone} & {one.sha256 for one in came}
    contents = [{one.sha256 for one in state} for state in (old, new)]
    for one in found:
        if one.kind == "changed":  # never said of a sample that merely lies elsewhere now, unless it has a twin
            was = next(row for row in old if (row.id, row.split) == (one.id, one.split))
            twins = sum(row.sha256 == was.sha256 for row in old)
            assert was.sha256 not in contents[1] or twins > sum(row.sha256 == was.sha256 for row in new)


# --- positions --------------------------------------------------------------------------------------------------

edits = st.lists(st.sampled_from(["keep", "keep", "remove", "insert", "change"]), min_size=1, max_size=40)


@pytest.mark.long
@quick
@given(edits=edits, split=st.sampled_from(["train", "test"]))
def test_edits_in_the_middle_of_positions_are_named_alone(tmp_path, edits, split) -> None:
    """Between two edits one sample stays: what is removed beside what is inserted looks like a change to everybody."""
    old, new, truth = [], [], {kind: set() for kind in KINDS}
    fresh = count(1000)
    for number, edit in enumerate(edits):
        for kind, content in ((edit, 2 * number), ("keep", 2 * number + 1)):
            before, after = f"{split}/{len(old):05}", f"{split}/{len(new):05}"
            if kind != "insert":
                old.append(item(before, "1", split, content))
            if kind in ("insert", "change"):
                new.append(item(after, "1", split, next(fresh)))
            elif kind == "keep":
                new.append(item(after, "1", split, content))
            key = {"remove": "removed", "insert": "added", "change": "changed"}.get(kind)
            if key:
                truth[key].add(after if key == "added" else before)
            elif before != after:
                truth["renamed"].add(before)
    found, _ = changes_of(tmp_path, old, new, positional=True)
    assert {kind: {one.id for one in found if one.kind == kind} for kind in KINDS} == truth


def test_positions_beyond_five_digits_are_numbers(tmp_path) -> None:
    old = [item(f"train/{position:05}", "1") for position in range(99_990, 100_020)]
    new = [replace(one, id=f"train/{99_990 + i:05}") for i, one in enumerate(old[:3] + old[4:])]
    new[20] = item(new[20].id, "1", content="new")
    found, counts = changes_of(tmp_path, old, new, positional=True)
    assert counts == {"changed": 1, "added": 0, "removed": 1, "relabelled": 0, "renamed": 25}
    assert [one.id for one in found if one.kind == "removed"] == ["train/99993"]
    assert [(one.id, one.new_id) for one in found if one.kind == "changed"] == [("train/100011", "train/100010")]


def test_a_file_beside_positions_is_changed_by_its_name(tmp_path) -> None:
    old = [item("README1", "", ""), *(item(f"train/{i:05}", "1") for i in range(3))]
    new = [item("README1", "", "", "other"), *old[1:]]
    found, _ = changes_of(tmp_path, old, new, positional=True)
    assert [(one.kind, one.id) for one in found] == [("changed", "README1")]


# --- real files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [*((kind,) for kind in EDITS), EDITS], ids=[*EDITS, "mixed"])
def test_a_thousand_edits_of_files_are_named_exactly(tmp_path, kinds) -> None:
    make_tree(tmp_path / "data", 1500)
    make_manifest(str(tmp_path / "data"), tmp_path / "signed.parquet")
    truth = tamper(tmp_path / "data", 1000, kinds, seed=len(kinds[0]) + len(kinds))
    make_manifest(str(tmp_path / "data"), tmp_path / "found.parquet", strict=False)
    output = tmp_path / "changes.parquet"
    diff(tmp_path / "signed.parquet", tmp_path / "found.parquet", output)
    found = {
        **{kind: [one.id for one in read_changes(output, kind)] for kind in ("changed", "added", "removed")},
        "relabelled": [[one.id, one.label, one.new_label] for one in read_changes(output, "relabelled")],
        "renamed": [[one.id, one.new_id] for one in read_changes(output, "renamed")],
    }
    assert sum(map(len, found.values())) == 1000
    assert {kind: sorted(rows) for kind, rows in found.items()} == truth.sorted()


# --- single cases -----------------------------------------------------------------------------------------------


def test_the_same_states_have_no_diff(tmp_path) -> None:
    state = [item("cat/a"), item("dog/b", "dog", "test")]
    assert changes_of(tmp_path, state, state)[0] == []
    assert changes_of(tmp_path, [], [])[0] == []


def test_other_bytes_under_another_label_are_two_changes(tmp_path) -> None:
    found, _ = changes_of(tmp_path, [item("x")], [item("x", "dog", content="other")])
    assert found == [
        Change(kind, "x", "x", "cat", "dog", "train", "train") for kind in ("changed", "relabelled")
    ]  # fmt: skip


def test_another_size_under_the_same_digest_is_a_change(tmp_path) -> None:
    """The digest cannot lie; a signed size can, and the tree binds it."""
    assert changes_of(tmp_path, [item("x")], [replace(item("x"), size=8)])[1]["changed"] == 1


def test_twins_keep_their_file_names_where_they_can(tmp_path) -> None:
    old = [item(f"cat/{name}", content="twin") for name in "ab"]
    new = [item("bird/b", "bird", content="twin"), item("owl/a", "owl", content="twin")]
    found, _ = changes_of(tmp_path, old, new)
    assert [(one.id, one.new_id) for one in found] == [("cat/a", "owl/a"), ("cat/b", "bird/b")]


def test_what_cannot_be_read_is_changed_and_never_relabelled(tmp_path) -> None:
    link = Item("cat/a", "", "", 0, NOTHING)
    found, _ = changes_of(tmp_path, [item("cat/a"), item("cat/b")], [link, item("cat/b"), replace(link, id="new")])
    assert [(one.kind, one.id) for one in found] == [("changed", "cat/a"), ("added", "new")]


def test_moves_between_the_splits_are_counted(tmp_path) -> None:
    old = [item(f"{split}/{i}", "cat", split, (split, i)) for split in ("train", "test") for i in range(4)]
    new = [replace(one, id="train" + one.id[4:] + "x", split="train") if one.split == "test" else one for one in old]
    output = tmp_path / "out.parquet"
    diff(write(tmp_path, old), write(tmp_path, new), output)
    assert count_moves(output) == {("renamed", "test", "train"): 4}


@pytest.mark.parametrize("name", ["a[1]*?.parquet", "it's.parquet", "split=train/x.parquet", "ü\u202e.parquet"])
def test_no_sign_of_a_path_has_a_meaning(tmp_path, name) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    found, _ = changes_of(folder, [item("x")], [item("y")])
    assert [(one.kind, one.id) for one in found] == [("added", "y"), ("removed", "x")]


def test_pixels_are_asked_about_where_they_are_signed(tmp_path) -> None:
    seen = sha256(b"pixels").digest()
    old = [replace(item("a.png"), pixels=seen), item("b.txt", "", ""), replace(item("c.png"), pixels=seen)]
    new = [item("a.png", content=1), item("b.txt", "", "", 2), item("c.png", content=3)]
    asked = []

    def same(id: str, digest: bytes) -> bool | None:
        asked.append((id, digest))
        return id == "a.png"

    output = tmp_path / "out.parquet"
    diff(write(tmp_path, old, pixels=True), write(tmp_path, new), output, same_pixels=same)
    assert sorted(asked) == [("a.png", seen), ("c.png", seen)]
    answers = {one.id: one.same_pixels for one in read_changes(output, "changed")}
    assert answers == {"a.png": True, "b.txt": None, "c.png": False}
    assert [one.id for one in read_changes(output, "changed", same_pixels=True)] == ["a.png"]


def test_groups_keep_their_digest_wherever_samples_lie(tmp_path) -> None:
    def groups(prefix: str):
        old = [item(f"{prefix}{i}", content=i) for i in range(5)]
        output = tmp_path / f"{prefix}.parquet"
        diff(write(tmp_path, old), write(tmp_path, [item("z", "dog")]), output)
        return list(read_groups(output, 2))

    first, second = groups("a"), groups("b")
    assert [(one.kind, one.label, one.count, len(one.first)) for one in first] == [
        ("added", "dog", 1, 1), ("removed", "cat", 5, 2),
    ]  # fmt: skip
    assert [one.digest for one in first] == [one.digest for one in second]
    assert first[1].digest != first[0].digest


def test_the_diff_is_whole_or_absent(tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="manifest"):
        diff(tmp_path / "no manifest", tmp_path / "none", tmp_path / "out" / "x.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_no_changes_are_a_table_of_the_same_columns(tmp_path) -> None:
    import duckdb

    diff(write(tmp_path, [item("x")]), write(tmp_path, []), tmp_path / "some.parquet")
    write_changes(None, tmp_path / "none.parquet")
    write_changes(tmp_path / "some.parquet", tmp_path / "copy.parquet")
    types = [duckdb.sql(f"DESCRIBE FROM '{tmp_path / name}.parquet'").fetchall() for name in ("some", "none", "copy")]
    assert types[0] == types[1] == types[2]
    assert (tmp_path / "copy.parquet").read_bytes() == (tmp_path / "some.parquet").read_bytes()


def test_the_nearest_ids_are_found(tmp_path) -> None:
    path = write(tmp_path, [item(f"train/cat/{i:05}.png") for i in range(300)])
    assert nearest_ids(path, "train/cat/0042.png")[0] in ("train/cat/00042.png", "train/cat/00142.png")
    assert nearest_ids(path, "zzz") == []
    assert len(list(read_items(path))) == 300
