"""The file of decisions: nothing that was written is lost, whoever else writes and whatever kills them."""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whitesquare.deciding.log import DecisionLog, standings
from whitesquare.deciding.types import CHOICES, Mark, ReviewHead
from whitesquare.errors import DataError

from .marks import CONTENT, HEAD, mark

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_what_is_written_is_read_again(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    marks = [mark(), mark("dog/2.png", "relabel", label="cat", role="data", why='it "is"\na cat'), mark(choice="")]
    log.append(marks[:1])
    log.append(marks[1:])
    log.append([])
    assert log.read() == (marks, path.stat().st_size)
    assert DecisionLog(path, HEAD).read()[0] == marks
    first, *rest = [json.loads(line) for line in lines(path)]
    assert first == asdict(HEAD)
    assert rest == [asdict(one) for one in marks]
    assert sorted(one.name for one in path.parent.iterdir()) == ["decisions.jsonl"]  # no lock file is left


TEXT = st.text(st.characters(codec=None), max_size=20)


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(
            lambda id, by, why, role, choice: mark(id, choice, f"x{by}", why=why, role=role),
            TEXT,
            TEXT,
            TEXT,
            TEXT,
            st.sampled_from(["keep", "remove", "unsure", ""]),
        ),
        max_size=5,
    )
)
def test_any_names_come_back_as_they_were(marks: list[Mark]) -> None:
    """Also half surrogate pairs, of which names of files can be made."""
    with TemporaryDirectory() as folder:
        log = DecisionLog(Path(folder) / "d.jsonl", HEAD)
        log.append(marks)
        assert log.read()[0] == marks


def test_another_persons_marks_are_seen_from_where_one_stopped(path: Path) -> None:
    ann, bob = DecisionLog(path, HEAD), DecisionLog(path, HEAD)
    marks, place = ann.read()
    assert marks == []
    bob.append([mark(by="bob")])
    marks, place = ann.read(place)
    assert marks == [mark(by="bob")]
    assert ann.read(place) == ([], place)
    bob.append([mark(by="bob", choice="remove"), mark("other")])
    assert ann.read(place)[0] == [mark(by="bob", choice="remove"), mark("other")]


def test_a_file_about_another_scan_is_refused_with_both_digests(path: Path) -> None:
    DecisionLog(path, HEAD).append([mark()])
    other = replace(HEAD, scan="c3" * 32)
    with pytest.raises(DataError, match=f"{'a1' * 32}.*{'c3' * 32}.*--decisions"):
        DecisionLog(path, other)
    with pytest.raises(DataError, match=r"b2b2.*d4d4"):
        DecisionLog(path, replace(HEAD, dataset="d4" * 32))
    assert DecisionLog(path, replace(HEAD, source="elsewhere/photos")).read()[0] == [mark()]


@pytest.mark.parametrize("content", [b"x\n", b"{}\n", b"[]\n", b"\n", b'{"format": "whitesquare decisions 1"}\n', b"x"])
def test_another_file_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no file of decisions"):
        DecisionLog(path, HEAD)
    assert path.read_bytes() == content


def test_a_form_to_come_is_refused(path: Path) -> None:
    path.write_text(json.dumps(asdict(HEAD) | {"format": "whitesquare decisions 2"}) + "\n")
    with pytest.raises(DataError, match="expected 'whitesquare decisions 1'"):
        DecisionLog(path, HEAD)


@pytest.mark.parametrize("cut", [1, 5, 40, -1])
def test_a_line_that_a_killed_writer_left_is_not_read_and_then_mended(path: Path, cut: int) -> None:
    """Nothing is lost but the unfinished line."""
    log = DecisionLog(path, HEAD)
    log.append([mark("1"), mark("2")])
    place = path.stat().st_size
    log.append([mark("3")])
    whole = path.read_bytes()
    path.write_bytes(whole[: place + cut] if cut > 0 else whole[:cut])
    assert log.read() == ([mark("1"), mark("2")], place)
    log.append([mark("4")])
    mended = [] if cut > 0 else [mark("3")]  # it lacked but its line break, and holds a decision
    assert log.read()[0] == [mark("1"), mark("2"), *mended, mark("4")]
    assert log.read(place)[0] == [*mended, mark("4")]


def test_a_head_that_a_killed_writer_left_is_written_again(path: Path) -> None:
    DecisionLog(path, HEAD)
    head = path.read_bytes()
    for size in (0, 1, len(head) - 1):
        path.write_bytes(head[:size])
        assert DecisionLog(path, HEAD).read() == ([], len(head))


WRITER = """
import sys
from pathlib import Path
from tests.deciding.marks import HEAD, mark
from whitesquare.deciding.log import DecisionLog
log = DecisionLog(Path(sys.argv[1]), HEAD)
number = 0
while True:
    log.append([mark(f"{number}-{i}", why="x" * 5000) for i in range(5)])
    print(number, flush=True)
    number += 1
"""


def test_a_writer_that_is_killed_in_the_middle_loses_nothing(path: Path) -> None:
    """Every decision that was said to be stored is there; SIGKILL lets nobody clean up."""
    for _ in range(3):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as writer:
            assert writer.stdout is not None
            for _ in range(4):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            said = 4 + len(writer.stdout.read().split())
        found, _ = DecisionLog(path, HEAD).read()
        assert len(found) >= 5 * said
        assert [one.id for one in found[: 5 * said]] == [f"{n}-{i}" for n in range(said) for i in range(5)]
        path.unlink()


def add_marks(path: str, who: str, count: int) -> None:
    log = DecisionLog(Path(path), HEAD)
    for number in range(count):
        log.append([mark(f"{who}-{number}", by=who)])


def test_two_processes_that_add_at_once_lose_nothing(path: Path) -> None:
    processes = [SPAWN.Process(target=add_marks, args=(str(path), who, 500)) for who in ("ann", "bob")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    found, _ = DecisionLog(path, HEAD).read()
    for who in ("ann", "bob"):
        assert [one.id for one in found if one.by == who] == [f"{who}-{number}" for number in range(500)]


def test_an_editor_that_puts_another_file_in_place_loses_nobodys_marks(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    log.append([mark("1")])
    other = path.with_name("edited")
    other.write_bytes(path.read_bytes())
    other.replace(path)
    log.append([mark("2")])
    assert DecisionLog(path, HEAD).read()[0] == [mark("1"), mark("2")]


def test_a_file_that_was_taken_away_or_cut_is_told(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    log.append([mark("1"), mark("2")])
    _, place = log.read()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="was shortened or replaced"):
        log.read(place)
    path.unlink()
    log.append([mark("3")])
    assert log.read()[0] == [mark("3")]


GOOD = asdict(mark())
EDITED = {
    "an unknown choice": (json.dumps(GOOD | {"choice": "delete"}), "no choice named 'delete'; known: keep, relabel"),
    "a choice that is nearly one": (json.dumps(GOOD | {"choice": "romove"}), "Did you mean 'remove'"),
    "duplicate keys": (json.dumps(GOOD)[:-1] + ', "choice": "remove"}', "the key 'choice' occurs twice"),
    "an unknown key": (json.dumps(GOOD | {"whi": "x"}), "no field named 'whi'.*Did you mean 'why'"),
    "a key missing": (json.dumps({name: GOOD[name] for name in GOOD if name != "by"}), "it has no 'by'"),
    "a number": (json.dumps(GOOD | {"by": 3}), "by is 3; expected a text"),
    "nobody": (json.dumps(GOOD | {"by": " "}), "by is empty"),
    "no digest": (json.dumps(GOOD | {"content": "abc"}), "content is 'abc'"),
    "no time": (json.dumps(GOOD | {"at": "yesterday"}), "at is 'yesterday'"),
    "a local time": (json.dumps(GOOD | {"at": "2026-06-01T12:00:00"}), "expected a time in UTC"),
    "relabelled to nothing": (json.dumps(GOOD | {"choice": "relabel"}), "expected a label"),
    "kept as another": (json.dumps(GOOD | {"label": "dog"}), "expected a label"),
    "no JSON": ("keep cat/1.png", "Expecting value"),
    "a list": ("[]", "expected a table"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "empty": ("", "Expecting value"),
}


@pytest.mark.parametrize("what", EDITED)
def test_a_line_that_was_edited_by_hand_is_named(path: Path, what: str) -> None:
    log = DecisionLog(path, HEAD)
    log.append([mark("1"), mark("2")])
    line, told = EDITED[what]
    head, first, second = lines(path)
    path.write_bytes(head + first + line.encode() + b"\n" + second)
    with pytest.raises(DataError, match=rf"(?s)decisions\.jsonl, line 3, .*{told}"):
        log.read()
    place = len(head + first)
    with pytest.raises(DataError, match=rf"(?s)line 1 after byte {place}, .*{told}"):
        log.read(place)


def test_a_line_written_by_hand_needs_only_what_has_no_default(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    line = {name: GOOD[name] for name in ("id", "content", "choice", "by", "at")} | {"id": "a\udc80"}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert log.read()[0] == [mark("a\udc80")]


def test_a_mark_that_is_none_is_never_written(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    with pytest.raises(DataError, match="no choice named 'delete'"):
        log.append([mark(), mark(choice="delete")])
    assert log.read()[0] == []
    with pytest.raises(DataError, match="scan is 'abc'"):
        ReviewHead(scan="abc", dataset="b2" * 32, source="")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    DecisionLog(tmp_path / "there.jsonl", HEAD).append([mark()])
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataError, match=r"cannot be made: Permission denied; .* name another file"):
            DecisionLog(tmp_path / "d.jsonl", HEAD)
        assert DecisionLog(tmp_path / "there.jsonl", HEAD).read()[0] == [mark()]
    finally:
        tmp_path.chmod(0o700)


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    """Read-only file systems, folders that are files, and links answer alike, also to root."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"cannot be (made|read): Not a directory"):
        DecisionLog(tmp_path / "file" / "d.jsonl", HEAD)
    with pytest.raises(DataError, match="is no plain file"):
        DecisionLog(tmp_path, HEAD)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is no plain file"):
        DecisionLog(tmp_path / "pipe", HEAD)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be made"):
        DecisionLog(tmp_path / "link", HEAD)
    assert not (tmp_path / "nowhere").exists()


def test_a_disk_that_is_full_keeps_what_was_there_and_no_half_line(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    log.append([mark("1")])
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(DataError, match="cannot be written: File too large; make room"):
            log.append([mark("2")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    log.append([mark("3")])
    assert log.read()[0] == [mark("1"), mark("3")]


def test_the_order_of_the_file_decides_and_no_clock(path: Path) -> None:
    log = DecisionLog(path, HEAD)
    log.append([mark(choice="keep", at="2031-01-01T00:00:00Z")])
    log.append([mark(choice="remove", at="1999-01-01T00:00:00Z")])
    assert standings(log.read()[0])["cat/1.png"].choice == "remove"


def test_where_a_sample_stands() -> None:
    def choice(*marks: Mark) -> str:
        return standings(marks)["cat/1.png"].choice

    assert choice(mark()) == "keep"
    assert choice(mark(), mark(choice="")) == ""
    assert choice(mark(), mark(by="bob")) == "keep"
    assert choice(mark(), mark(by="bob", choice="remove")) == "disagreed"
    assert choice(mark(), mark(by="bob", choice="remove"), mark(choice="remove")) == "remove"
    assert choice(mark(), mark(by="bob", choice="remove"), mark(by="bob", choice="")) == "keep"
    assert choice(mark(), mark(by="bob", choice="unsure")) == "disagreed"
    same = [mark(choice="relabel", label="dog", by=who) for who in ("ann", "bob")]
    assert choice(*same) == "relabel"
    assert standings(same)["cat/1.png"].label == "dog"
    assert choice(same[0], replace(same[1], label="cow")) == "disagreed"
    assert standings([mark(choice="")])["cat/1.png"].by_person == {}


def test_one_sample_with_two_contents_is_refused() -> None:
    other = mark(by="bob", content="99" * 32)
    with pytest.raises(DataError, match=f"'cat/1.png' was decided on with the content {CONTENT[:12]} and with 9999"):
        standings([mark(), other])


CHANGES = st.tuples(
    st.sampled_from(["1", "2", "3"]), st.sampled_from(["ann", "bob", "eve"]), st.sampled_from([*CHOICES, ""])
)


@given(st.lists(CHANGES, max_size=30))
def test_a_standing_is_the_last_word_of_each_person(changes: list[tuple[str, str, str]]) -> None:
    last: dict[str, dict[str, str]] = {}
    marks = []
    for id, who, choice in changes:
        label = "dog" if choice == "relabel" else ""
        marks.append(mark(id, choice, who, label=label))
        last.setdefault(id, {})[who] = choice
    found = standings(marks)
    assert found.keys() == last.keys()
    for id, people in last.items():
        said = {who: choice for who, choice in people.items() if choice}
        assert {who: one.choice for who, one in found[id].by_person.items()} == said
        differ = len(set(said.values())) > 1
        assert found[id].choice == ("disagreed" if differ else next(iter(said.values()), ""))


def test_waiting_for_another_process_ends_with_it(path: Path) -> None:
    """Whoever is killed while he holds the file leaves no lock behind."""
    DecisionLog(path, HEAD)
    holder = (
        "import fcntl, os, sys, time\n"
        "handle = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(handle, fcntl.LOCK_EX); print('held', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    start = time.monotonic()
    DecisionLog(path, HEAD).append([mark()])
    assert time.monotonic() - start < 30
    assert DecisionLog(path, HEAD).read()[0] == [mark()]
