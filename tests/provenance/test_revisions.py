"""Revisions of DVC and lakeFS that are named beside data: stated in what is signed, if the data are what they name.

The digests are those that DVC 3.67 wrote for these very files.
"""

import subprocess

import pytest
import yaml

from whitesquare.provenance.block_yaml import read_block
from whitesquare.provenance.revisions import revisions_of

from .attesting import attested, key_pair, pictures, run

FOLDER = "dd05a4a472fa77987820fa5fb404d27e.dir"
COMMIT = "4f0c6a7d9b3e4c5d8e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f"


@pytest.fixture
def data(tmp_path):
    """A folder with two files, one of them of a name that is not ASCII."""
    for name, content in (("cat/a.txt", b"12345"), ("dog/ü b.txt", b"y\n")):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return tmp_path / "data"


def told(place):
    notes = []
    return [one.uri for one in revisions_of(place, notes.append)], notes


def tracked(digest, path="data", extra="", kind="  hash: md5\n"):
    return f"{extra}outs:\n- md5: {digest}\n  size: 7\n  nfiles: 2\n{kind}  path: {path}\n"


def test_a_folder_and_a_file_that_dvc_tracks(data):
    (data.parent / "data.dvc").write_text(tracked(FOLDER))
    assert told(data) == ([f"dvc:data.dvc?path=data&md5={FOLDER}"], [])
    digest = "827ccb0eea8a706c4c34a16891f84e7b"
    (data / "cat" / "a.txt.dvc").write_text(tracked(digest, path="a.txt"))
    assert told(data / "cat" / "a.txt")[0] == [f"dvc:a.txt.dvc?path=a.txt&md5={digest}"]


def test_an_output_of_a_pipeline(data):
    lock = (
        "schema: '2.0'\nstages:\n  prep:\n    cmd: python prepare.py --long and so on and so on\n      and on\n"
        "    deps:\n    - path: raw\n      hash: md5\n      md5: " + "0" * 32 + "\n"
        f"    outs:\n    - path: data\n      hash: md5\n      md5: {FOLDER}\n      size: 7\n"
    )
    (data.parent / "dvc.lock").write_text(lock)
    assert told(data) == ([f"dvc:dvc.lock?path=data&md5={FOLDER}"], [])


def test_data_that_were_changed_since_are_not_said_to_be_that_revision(data):
    (data.parent / "data.dvc").write_text(tracked(FOLDER))
    (data / "cat" / "a.txt").write_bytes(b"54321")
    found, (note,) = told(data)
    assert not found
    assert f"names {FOLDER} and the data are" in note


def test_the_commit_is_stated_if_it_has_the_file_as_it_is(data):
    place = data.parent
    (place / "data.dvc").write_text(tracked(FOLDER))
    (place / ".gitignore").write_text("data\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", place, *command], check=True)
    commit = subprocess.run(["git", "-C", place, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert told(data) == ([f"dvc:data.dvc?path=data&md5={FOLDER}&rev={commit.stdout.strip()}"], [])
    (place / "data.dvc").write_text(tracked(FOLDER) + "desc: changed\n")
    assert told(data) == ([f"dvc:data.dvc?path=data&md5={FOLDER}"], [])


def test_where_data_were_imported_from_without_a_password(data):
    origin = (
        "md5: 5e6be28c001baa7ff0fd442d5d2bc5e2\nfrozen: true\ndeps:\n- path: sets/cats\n  repo:\n"
        "    url: https://me:secret@example.org/data.git\n    rev_lock: 101206f233316742c40d650d8511be46ce970f2c\n"
        "- path: s3://bucket/cats\n- path: /home/me/cats\n"
    )
    (data.parent / "data.dvc").write_text(tracked(FOLDER, extra=origin))
    assert told(data)[0][1:] == [
        "git+https://example.org/data.git@101206f233316742c40d650d8511be46ce970f2c#sets/cats",
        "s3://bucket/cats",
    ]


def test_digests_of_dvc_2_are_stated_and_said_not_to_be_compared(data):
    (data.parent / "data.dvc").write_text(tracked("1" * 32 + ".dir", kind=""))
    found, (note,) = told(data)
    assert found == [f"dvc:data.dvc?path=data&md5={'1' * 32}.dir"]
    assert "not compared" in note


def test_a_folder_of_lakectl_local(data):
    (data / ".lakefs_ref.yaml").write_text(f"src: lakefs://cats/main/train/\nat_head: {COMMIT}\n")
    assert told(data) == ([f"lakefs://cats/{COMMIT}/train/"], [])


@pytest.mark.parametrize(
    "text", ["outs: [a]\n", "outs:\n- md5: ../..\n  path: data\n", "  x\ny: 1\n", "- a\nb: 1\n", "\x00", "{}", "a: 1\n"]
)
def test_a_file_that_cannot_be_read_is_told_and_nothing_is_stated(data, text):
    (data.parent / "data.dvc").write_text(text)
    found, (note,) = told(data)
    assert not found
    assert "data.dvc names no revision that can be read" in note


def test_the_files_of_others_beside_the_data_say_nothing(data):
    (data.parent / "data.dvc").write_text(tracked(FOLDER, path="other"))
    (data.parent / "other.dvc").write_text(tracked(FOLDER, path="data"))
    assert told(data) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\nstages:\n  a@1:\n    outs:\n    - path: x\n      md5: y\n  b:\n    cmd: echo 'it''s' # no\n",
        'outs:\n  - path: "a\\u00fc: b"\n    md5: y # why\nmeta:\n  list:\n  - one\n  - two\n  "quoted key": z\n',
        "",
    ],
)
def test_blocks_are_read_as_yaml_reads_them(text):
    assert read_block(text) == (yaml.safe_load(text) or {})


def test_attest_signs_the_revision_and_tells_it(tmp_path):
    case = attested(tmp_path / "first", "npz", pictures(24))
    (case.data / ".lakefs_ref.yaml").write_text(f"src: lakefs://cats/main/\nat_head: {COMMIT}\n")
    (case.data.parent / "data.dvc").write_text(tracked(FOLDER))
    (tmp_path / "trust").mkdir()
    key_pair(tmp_path / "trust" / "key", secrets=tmp_path)
    out = tmp_path / "second"
    done = run("attest", case.data, "--key", tmp_path / "key.pem", "-o", out, "--source", "our own camera")
    assert f"lakefs://cats/{COMMIT}/" in done.stdout.replace("\n", "")
    assert f"names {FOLDER} and the data are" in " ".join(done.stderr.split())
    listed = run("inventory", out, "--trust", tmp_path / "trust", "-o", "croissant").stdout
    assert f"lakefs://cats/{COMMIT}/" in listed
