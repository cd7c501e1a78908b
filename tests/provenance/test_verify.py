"""verify: what is signed passes, everything else is named, and no file, key or version that is wrong is believed."""

import fcntl
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as Xml

import duckdb
import jsonschema
import numpy as np
import pytest
from PIL import Image

from tests.patience import until, waits_for_lock
from whitesquare.data import from_arrays, write_dataset
from whitesquare.provenance import verify as module
from whitesquare.provenance.types import BUNDLE, ENVELOPE, KINDS
from whitesquare.report.common.sarif import FINGERPRINT, LOCATIONS
from whitesquare.signing.keys import load_trusted

from .edits import KINDS as EDITS
from .edits import tamper
from .signed import Signed, make_signed, run

SCHEMA = json.loads((Path(__file__).parents[1] / "report" / "schemas" / "sarif-2.1.0-rtm.5.json").read_text())
LISTS = (*KINDS, "same_pixels")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Signed:
    return make_signed(tmp_path_factory.mktemp("original"))


@pytest.fixture
def case(original, tmp_path) -> Signed:
    """A copy that a test may spoil."""
    shutil.copytree(original.folder, tmp_path / "case")
    return Signed(tmp_path / "case")


def first(case: Signed, pattern: str = "train/cat/*.png") -> Path:
    return sorted(case.data.glob(pattern))[0]


def id_of(case: Signed, path: Path) -> str:
    return path.relative_to(case.data).as_posix()


def only(record, **expected) -> None:
    """These lists are as expected, all others are empty."""
    assert {kind: record[kind] for kind in LISTS} == {kind: expected.get(kind, []) for kind in LISTS}
    assert record["counts"] == {kind: len(record[kind]) for kind in KINDS}


# --- the data ---------------------------------------------------------------------------------------------------


def test_what_was_signed_is_verified(case) -> None:
    record = case.found()
    assert record["ok"]
    assert record["reason"] == ""
    only(record)
    assert record["dataset"]["version"] == 1
    assert [one["name"] for one in record["signers"]] == ["alice"]
    assert case.verify(code=0).stdout.startswith("VERIFIED: this is version 1 of urn:whitesquare:data-")


@pytest.mark.parametrize("kind", EDITS)
def test_each_kind_of_edit_is_named(case, kind) -> None:
    truth = tamper(case.data, 6, (kind,), seed=5)
    record = case.found()
    assert not record["ok"]
    assert {name: sorted(record[name]) for name in vars(truth)} == truth.sorted()
    name = "renamed" if kind == "moved" else kind
    assert f"6 {name}" in record["reason"]
    shown = case.verify(code=1).stdout
    assert shown.startswith("NOT VERIFIED: The data set is not the signed one")
    assert f"{name} (6)" in shown
    assert all(len(line) <= 80 or line.startswith("  whitesquare verify ") for line in shown.splitlines())


def test_an_image_in_another_class_is_relabelled_and_nothing_else(case) -> None:
    path = first(case)
    path.rename(case.data / "train" / "dog" / path.name)
    only(case.found(), relabelled=[[id_of(case, path), "cat", "dog"]])


def test_a_test_image_in_training_is_pointed_out(case) -> None:
    path = first(case, "test/*/*.png")
    target = case.data / "train" / path.parent.name / path.name
    path.rename(target)
    only(case.found(), renamed=[[id_of(case, path), id_of(case, target)]])
    assert "1 moved from test to train: a model trained on test images" in case.verify(code=1).stdout


@pytest.mark.long
@pytest.mark.parametrize("place", [".git/x.png", "train/.hidden/x.png", "train/cat/.x.png", "readme.txt", "test/x"])
def test_no_file_is_ignored(case, place) -> None:
    (case.data / place).parent.mkdir(exist_ok=True)
    (case.data / place).write_bytes(b"x")
    only(case.found(), added=[place])


def test_an_empty_class_folder_changes_what_labels_mean(case) -> None:
    (case.data / "train" / "ant").mkdir()
    record = case.found()
    only(record)
    assert record["classes_added"] == ["ant"]
    assert "the class 'ant' was added, so labels mean other classes" in record["reason"]


def test_swapped_class_folders_are_relabelled(case) -> None:
    """Every image keeps its name and bytes, and means another class."""
    for split in ("train", "test"):
        folder = case.data / split
        (folder / "cat").rename(folder / "x")
        (folder / "dog").rename(folder / "cat")
        (folder / "x").rename(folder / "dog")
    record = case.found()
    assert not record["ok"]
    assert {(old, new) for _, old, new in record["relabelled"]} == {("cat", "dog"), ("dog", "cat")}
    assert set(record) >= set(LISTS)
    assert not any(record[kind] for kind in LISTS if kind != "relabelled")


def test_a_symbolic_link_is_never_read(case, tmp_path) -> None:
    path = first(case)
    shutil.copy(path, tmp_path / "same.png")
    path.unlink()
    path.symlink_to(tmp_path / "same.png")
    record = case.found()
    only(record, changed=[id_of(case, path)])
    assert record["refused"] == {id_of(case, path): "is a symbolic link"}


def test_a_folder_behind_a_link_is_not_entered(case, tmp_path) -> None:
    (case.data / "train" / "cat").rename(tmp_path / "cat")
    (case.data / "train" / "cat").symlink_to(tmp_path / "cat")
    record = case.found()
    assert record["removed"] == sorted(f"train/cat/{path.name}" for path in (tmp_path / "cat").iterdir())
    assert "train/cat" in record["refused"]


def test_devices_pipes_and_sockets_are_named_not_opened(case) -> None:
    os.mkfifo(case.data / "train" / "cat" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as found:
        os.chdir(case.data)
        found.bind("socket")
    record = case.found()
    assert set(record["refused"]) == {"train/cat/pipe.png", "socket"}
    assert record["added"] == ["socket", "train/cat/pipe.png"]


def test_a_hard_link_is_another_file(case) -> None:
    path = first(case)
    os.link(path, path.with_name("twin.png"))
    only(case.found(), added=["train/cat/twin.png"])


def test_names_that_collide_are_refused(case) -> None:
    path = first(case)
    shutil.copy(path, path.with_name(path.name.upper()))
    record = case.found()
    assert record["added"] == [f"train/cat/{path.name.upper()}"]
    assert len(record["refused"]) == 1


def test_names_that_drive_a_terminal_are_harmless(case) -> None:
    names = ["[bold]x[link=evil]", "a\u202egnp.png", "x" * 200 + ".png"]
    for name in names:
        (case.data / "train" / "cat" / name).write_bytes(b"x")
    (case.data / "train" / "cat" / "\x1b[31mred\n.png").write_bytes(b"y")
    shown = case.verify(
        "-o", "table", "-o", f"junit={case.folder}/j.xml", "-o", f"sarif={case.folder}/s", code=1
    ).stdout
    assert "[bold]x[link=evil]" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
    jsonschema.Draft4Validator(SCHEMA).validate(json.loads((case.folder / "s").read_text()))
    Xml.parse(case.folder / "j.xml")


def test_the_empty_folder_and_the_point(case, monkeypatch) -> None:
    empty = Signed(case.folder / "empty")
    shutil.copytree(case.trust, empty.trust)
    shutil.copytree(case.folder / "private", empty.folder / "private")
    empty.data.mkdir()
    empty.attest()
    assert empty.found()["ok"]
    (empty.data / "x").write_bytes(b"")
    only(empty.found(), added=["x"])
    monkeypatch.chdir(case.data)
    done = run("verify", ".", "--bundle", case.bundle, "--trust", case.trust, "--state", case.state)
    assert done.exit_code == 0


def test_temporary_files_do_not_go_into_the_data(case, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(case.data))
    done = case.verify(code=2)
    assert "TMPDIR" in done.stderr
    assert not list(case.data.glob("whitesquare*"))


# --- pixels -----------------------------------------------------------------------------------------------------


def test_a_file_that_was_only_encoded_anew_is_told_from_a_change(tmp_path) -> None:
    case = make_signed(tmp_path, 20, pixels=True)
    again, other, broken = sorted(case.data.glob("train/*/*.png"))[:3]
    Image.open(again).save(again, compress_level=0)
    Image.new("L", (6, 6)).save(other)
    broken.write_bytes(b"no image")
    ids = [id_of(case, path) for path in (again, other, broken)]
    only(case.found(), changed=ids, same_pixels=ids[:1])
    shown = case.verify(code=1).stdout
    assert f"{ids[0]} (same pixels)" in shown
    assert "1 of them show the same pixels" in shown


def test_without_signed_pixels_nothing_is_said_of_them(case) -> None:
    path = first(case)
    Image.open(path).save(path, compress_level=0)
    only(case.found(), changed=[id_of(case, path)])


# --- files that hold many samples -------------------------------------------------------------------------------


def arrays(count: int = 60):
    draw = np.random.default_rng(3)
    return draw.integers(0, 256, (count, 5, 5), dtype=np.uint8), np.arange(count) % 3


@pytest.fixture
def idx(case) -> Signed:
    shutil.rmtree(case.data)
    shutil.rmtree(case.folder / "signed")
    write_idx_data(case, *arrays())
    case.attest()
    return case


def write_idx_data(case: Signed, images, labels) -> None:
    shutil.rmtree(case.data, ignore_errors=True)
    train, test = (from_arrays(images[part], labels[part]) for part in (slice(10, None), slice(0, 10)))
    write_dataset(case.data, train, test, "idx")


def test_the_sample_that_is_missing_is_named_and_the_shift_is_explained(idx) -> None:
    assert idx.found()["ok"]
    images, labels = arrays()
    keep = [i for i in range(60) if i not in (25, 26)]
    write_idx_data(idx, images[keep], labels[keep])
    record = idx.found()
    assert record["removed"] == ["train/00015", "train/00016"]
    assert record["renamed"] == [[f"train/{i:05}", f"train/{i - 2:05}"] for i in range(17, 50)]
    assert record["changed"] == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert record["added"] == record["relabelled"] == []
    shown = idx.verify(code=1).stdout
    assert "33 lie at another position" in shown.replace("\n", " ")
    assert "train/00017" not in shown


def test_labels_and_pixels_of_a_container(idx) -> None:
    images, labels = arrays()
    images[30, 0, 0] ^= 1
    labels[40] = (labels[40] + 1) % 3
    write_idx_data(idx, images, labels)
    old, new = str(40 % 3), str(41 % 3)
    changed = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "train/00020"]
    only(idx.found(), changed=changed, relabelled=[["train/00030", old, new]])


def test_the_same_bytes_in_another_shape_are_not_the_same(idx) -> None:
    for split, said in (("train", "of the shape (1, 5, 5), the other split of"), ("t10k", "the shape 1x1x25, signed")):
        path = idx.data / f"{split}-images-idx3-ubyte.gz"
        data = bytearray(gzip.decompress(path.read_bytes()))
        data[8:16] = (1).to_bytes(4, "big") + (25).to_bytes(4, "big")
        path.write_bytes(gzip.compress(bytes(data)))
        record = idx.found()
        changed = ["t10k-images-idx3-ubyte.gz"] if split == "t10k" else []
        only(record, changed=[*changed, "train-images-idx3-ubyte.gz"])
        assert said in record["reason"]


def test_a_container_that_cannot_be_read_is_not_the_signed_one(idx) -> None:
    path = idx.data / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    record = idx.found()
    only(record)
    assert "cannot be read as the signed one could" in record["reason"]


# --- signatures -------------------------------------------------------------------------------------------------


def test_an_unknown_key_is_not_believed(case) -> None:
    record = case.found(bundle=case.attest("eve", "eve"))
    only(record)
    assert record["dataset"] is None
    assert "none of the 1 trusted" in record["reason"]
    assert not case.state.exists()


def test_expired_statements_and_keys_are_refused(case) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    late = case.attest("late", now=past, expires=past + timedelta(days=1))
    assert "expired" in case.found(bundle=late)["reason"]
    (case.trust / "alice.toml").write_text('not_after = "2020-01-01T00:00:00.000000Z"\n')
    assert "expired at 2020-01-01" in case.found()["reason"]


def test_two_must_sign_where_two_are_asked_for(case) -> None:
    case.trusts("bob")
    assert "2 must sign" in case.found("--threshold", 2)["reason"]
    both = run(*("countersign", case.bundle, "--key", case.folder / "private" / "bob.pem", "--trust", case.trust))
    assert both.exit_code == 0, both.output
    assert case.found("--threshold", 2, bundle=case.bundle.with_name(ENVELOPE))["ok"]
    assert "2 must sign" in case.found("--threshold", 2)["reason"]


def test_a_manifest_of_another_statement_is_refused(case) -> None:
    first(case).unlink()
    other = case.attest("other")
    shutil.copy(other.with_name("manifest.parquet"), case.bundle.with_name("manifest.parquet"))
    assert not case.found()["ok"]


# --- what was accepted before -----------------------------------------------------------------------------------


def second_version(case: Signed, **options) -> Path:
    first(case).unlink()
    return case.attest("second", previous=case.bundle, **options)


def test_an_older_version_does_not_come_back(case) -> None:
    shutil.copytree(case.data, case.folder / "old")
    assert case.found()["ok"]
    assert case.found(bundle=second_version(case))["ok"]
    shutil.rmtree(case.data)
    (case.folder / "old").rename(case.data)
    record = case.found()
    only(record)
    assert "version 2 was accepted before" in record["reason"]
    assert json.loads(case.state.read_text())[record["dataset"]["id"]]["version"] == 2


def test_another_manifest_of_the_same_version_must_be_signed_later(case) -> None:
    assert case.found()["ok"]
    first(case).unlink()
    name = case.found()["dataset"]["id"]
    earlier = case.attest("earlier", name=name, now=datetime.now(UTC) - timedelta(days=1))
    later = case.attest("later", name=name, now=datetime.now(UTC) + timedelta(seconds=1))
    assert "has another manifest" in case.found(bundle=earlier)["reason"]
    assert case.found(bundle=later)["ok"]
    assert "has another manifest" in case.found()["reason"]


def test_what_was_not_verified_is_not_remembered(case) -> None:
    second = second_version(case)
    first(case).unlink()
    assert not case.found(bundle=second)["ok"]
    assert not case.state.exists()


def test_a_newer_version_accepted_meanwhile_wins(case, monkeypatch) -> None:
    """Two verifications side by side: the slow one of the old version must not end with ok."""
    path = first(case)
    content = path.read_bytes()
    assert case.found(bundle=second_version(case))["ok"]
    newest = case.state.read_bytes()
    case.state.unlink()
    path.write_bytes(content)
    listed = module.make_manifest

    def slow(*arguments, **options):
        case.state.write_bytes(newest)
        return listed(*arguments, **options)

    monkeypatch.setattr(module, "make_manifest", slow)
    record = case.found()
    only(record)
    assert "version 2 was accepted before" in record["reason"]
    assert case.state.read_bytes() == newest


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', '{"x": {"version": 1}}', '{"a": {}, "a": {}}', "\xff"])
def test_a_damaged_state_file_is_an_error(case, text) -> None:
    case.state.write_bytes(text.encode("latin-1"))
    done = case.verify("-o", "json", code=2)
    assert "state file" in done.stderr
    assert done.stdout == ""
    assert case.state.read_bytes() == text.encode("latin-1")


def test_a_state_that_cannot_be_written_is_an_error_where_it_was_chosen(case, monkeypatch) -> None:
    blocked = case.folder / "file"
    blocked.write_text("no folder")
    arguments = ("verify", case.data, "--bundle", case.bundle, "--trust", case.trust)
    assert run(*arguments, "--state", blocked / "state.json").exit_code == 2
    monkeypatch.setenv("WHITESQUARE_STATE", str(blocked / "state.json"))
    assert run(*arguments).exit_code == 2
    monkeypatch.delenv("WHITESQUARE_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    done = run(*arguments)
    assert done.exit_code == 0
    assert "is not remembered" in done.stdout.replace("\n", " ")


def test_the_default_state_lies_in_the_users_folder(case, monkeypatch) -> None:
    monkeypatch.delenv("WHITESQUARE_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(case.folder / "xdg"))
    assert run("verify", case.data, "--bundle", case.bundle, "--trust", case.trust).exit_code == 0
    assert (case.folder / "xdg" / "whitesquare" / "accepted.json").is_file()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(case.folder / "home"))
    assert run("verify", case.data, "--bundle", case.bundle, "--trust", case.trust).exit_code == 0
    assert (case.folder / "home" / ".local" / "state" / "whitesquare" / "accepted.json").is_file()


def test_many_at_once_remember_all(case) -> None:
    """Each process verifies a data set of its own, and all write to one state file."""
    bundles = [case.attest(f"many-{i}", name=f"set-{i}") for i in range(6)]
    command = [sys.executable, "-m", "whitesquare.cli", "verify", case.data, "--trust", case.trust]
    running = [
        subprocess.Popen([*command, "--state", case.state, "--bundle", bundle], stdout=-3, stderr=-3)
        for bundle in bundles
    ]
    assert [one.wait() for one in running] == [0] * 6
    assert sorted(json.loads(case.state.read_text())) == [f"set-{i}" for i in range(6)]


def test_nobody_writes_the_state_while_another_does(case) -> None:
    path = first(case)
    content = path.read_bytes()
    assert case.found(bundle=second_version(case))["ok"]
    newest = case.state.read_bytes()
    case.state.unlink()
    path.write_bytes(content)
    command = [sys.executable, "-m", "whitesquare.cli", "verify", case.data, "--bundle", case.bundle]
    with case.state.with_name(".state.json.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = subprocess.Popen([*command, "--trust", case.trust, "--state", case.state], stdout=-3, stderr=-3)
        until(lambda: running.poll() is not None or waits_for_lock(running.pid), "process that waits for the lock")
        assert running.poll() is None
        case.state.write_bytes(newest)
    assert running.wait() == 1
    assert case.state.read_bytes() == newest


# --- outputs and exit codes -------------------------------------------------------------------------------------


def test_usage_errors_and_missing_evidence(case) -> None:
    run_with = {"--bundle": case.bundle, "--trust": case.trust, "--state": case.state}

    def code(data=case.data, **changed) -> int:
        options = run_with | {f"--{name}": value for name, value in changed.items()}
        done = run("verify", data, *(part for pair in options.items() for part in pair))
        assert done.stderr
        return done.exit_code

    assert code(case.folder / "none") == 2
    assert code(trust=case.folder / "none") == 2
    assert code(state=case.folder) == 2
    assert code(bundle=case.folder / "none.json") == 3
    case.bundle.with_name("manifest.parquet").unlink()
    assert code() == 3
    assert case.verify("-o", "parquet").exit_code == 2


def test_outputs_agree(case) -> None:
    truth = tamper(case.data, 12, EDITS, seed=8)
    files = {kind: case.folder / f"out.{kind}" for kind in ("json", "parquet", "sarif", "junit")}
    case.verify(*(part for kind, path in files.items() for part in ("-o", f"{kind}={path}")), code=1)
    record = json.loads(files["json"].read_text())
    rows = duckdb.sql(f"SELECT kind, count(*) FROM '{files['parquet']}' GROUP BY kind").fetchall()
    assert {kind: number for kind, number in record["counts"].items() if number} == dict(rows)
    assert sum(record["counts"].values()) == 12
    log = json.loads(files["sarif"].read_text())
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    named = {place["message"]["text"].split(":")[0] for one in log["runs"][0]["results"] for place in one["locations"]}
    assert {id for id, _, _ in truth.relabelled} <= named
    suite = Xml.parse(files["junit"]).getroot()
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {f"no sample {kind}" for kind, number in record["counts"].items() if number}
    assert suite.get("failures") == str(len(failed))


def test_outputs_of_what_cannot_be_believed(case) -> None:
    bundle = case.attest("eve", "eve")
    files = {kind: case.folder / f"out.{kind}" for kind in ("parquet", "sarif", "junit")}
    case.verify(*(part for kind, path in files.items() for part in ("-o", f"{kind}={path}")), bundle=bundle, code=1)
    assert duckdb.sql(f"SELECT count(*) FROM '{files['parquet']}'").fetchall() == [(0,)]
    (one,) = json.loads(files["sarif"].read_text())["runs"][0]["results"]
    assert (one["ruleId"], one["level"]) == ("PV07", "error")
    suite = Xml.parse(files["junit"]).getroot()
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests")) == ("1", "7", "8")


def test_sarif_holds_some_of_many_and_keeps_its_fingerprints(tmp_path) -> None:
    case = make_signed(tmp_path, 150)
    for path in case.data.glob("train/*/*.png"):
        path.rename(case.data / "train" / "cat" / f"x{path.parent.name}{path.name}")

    def results(path: Path):
        log = json.loads(path.read_text())
        jsonschema.Draft4Validator(SCHEMA).validate(log)
        rules = log["runs"][0]["tool"]["driver"]["rules"]
        assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in log["runs"][0]["results"])
        assert {"MITRE ATLAS AML.T0059", "OWASP ML02:2023"} <= set(rules[0]["properties"]["tags"])
        return log["runs"][0]["results"]

    case.verify("-o", f"sarif={tmp_path}/1.sarif", code=1)
    for path in case.data.glob("train/cat/xdog*.png"):
        path.rename(path.with_name("y" + path.name))
    case.verify("-o", f"sarif={tmp_path}/2.sarif", code=1)
    before, after = results(tmp_path / "1.sarif"), results(tmp_path / "2.sarif")
    assert all(0 < len(one["locations"]) <= LOCATIONS for one in before)
    assert [one["partialFingerprints"][FINGERPRINT] for one in before] == [
        one["partialFingerprints"][FINGERPRINT] for one in after
    ]
    assert len({one["partialFingerprints"][FINGERPRINT] for one in before}) == len(before)


def test_a_killed_verification_leaves_the_old_files_or_the_new(case) -> None:
    case.verify("-o", f"json={case.folder}/out.json", code=0)
    known, before = case.state.read_bytes(), (case.folder / "out.json").read_bytes()
    tamper(case.data, 5, ("changed",), seed=2)
    command = [sys.executable, "-m", "whitesquare.cli", "verify", case.data, "--bundle", case.bundle]
    command += ["--trust", case.trust, "--state", case.state, "-o", f"json={case.folder}/out.json"]
    for delay in (0.05, 0.2, 0.3, 0.4):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert case.state.read_bytes() == known
        text = (case.folder / "out.json").read_bytes()
        assert text == before or len(json.loads(text)["changed"]) == 5


def test_data_and_bundle_may_be_read_only(case) -> None:
    for path in (*case.data.rglob("*"), case.bundle.parent, case.data):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(path for path in case.folder.rglob("*") if path != case.state)
    assert case.found()["ok"]
    assert (
        sorted(path for path in case.folder.rglob("*") if path.name not in ("state.json", ".state.json.lock")) == before
    )
    for path in (*case.data.rglob("*"), case.bundle.parent, case.data):
        path.chmod(0o755)


def test_verify_loads_no_numpy(case) -> None:
    first(case).unlink()
    arguments = ["verify", case.data, "--bundle", case.bundle, "--trust", case.trust, "--state", case.state]
    arguments += [part for kind in ("table", "sarif", "junit", "json") for part in ("-o", kind)]
    code = (
        "import sys\nfrom whitesquare.cli import app\n"
        f"assert app({list(map(str, arguments))}, standalone_mode=False) == 1\n"
        "heavy = {'numpy', 'torch', 'PIL', 'matplotlib', 'scipy', 'jinja2'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


def test_the_library_needs_no_state(case) -> None:
    (case.folder / "work").mkdir()
    found = module.verify(str(case.data), case.bundle, load_trusted(case.trust), case.folder / "work")
    assert found.ok
    assert found.changes is None
    assert case.bundle.name == BUNDLE
