"""Attestations: what is signed, who goes on from what, and what is refused; from the library and the command line."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.patience import until
from whitesquare.cli import app
from whitesquare.data import load_mnist, write_dataset
from whitesquare.errors import DataError, NothingToDoError, UsageError, VerificationError
from whitesquare.provenance import reading
from whitesquare.provenance.attest import attest
from whitesquare.provenance.countersign import countersign
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.merkle import leaf_hash, tree_root
from whitesquare.provenance.types import BUNDLE, DATASET_TYPE, ENVELOPE, MANIFEST, Source
from whitesquare.signing.dsse import encode_bundle, read_envelope, sign
from whitesquare.signing.keys import generate, load_public, load_signer
from whitesquare.signing.signatures import Signatures
from whitesquare.signing.statements import Subject, encode_statement, parse_statement

NOW = datetime.now(UTC) + timedelta(days=1)
"""Later than whatever a test signs at its own time, however long the tests before it took."""


def nobody(path):
    raise AssertionError(f"{path} has no password")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (("alice", "ecdsa-p256"), ("bob", "ed25519"), ("eve", "ecdsa-p256")):
        generate(folder / name, kind, None)
    return folder


def signer(keys, name):
    return load_signer(str(keys / f"{name}.pem"), nobody)


def public(keys, *names):
    return [load_public(keys / f"{name}.pub") for name in names]


def trusted_folder(keys, folder, *names):
    """Make a folder of these public keys and nothing else."""
    (folder / "trusted").mkdir()
    for name in names:
        for suffix in (".pub", ".toml"):
            shutil.copy(keys / f"{name}{suffix}", folder / "trusted")
    return folder / "trusted"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result.exit_code, " ".join(result.output.split())


def test_an_attestation_reads_back(data, keys, tmp_path):
    out = tmp_path / "out"
    sources = (Source("https://example.org/cats", licence="CC0-1.0"),)
    said = attest(str(data), [signer(keys, "alice")], out, sources=sources, expires=NOW + timedelta(days=90), now=NOW)
    found = read_dataset(out / BUNDLE, public(keys, "alice", "bob"), NOW)
    assert found.predicate == said
    assert [key.name for key in found.signers] == ["alice"]
    assert found.manifest == out / MANIFEST
    assert (said.dataset.version, said.dataset.previous, said.sources) == (1, None, sources)
    assert (said.classes, said.splits["train"].classes) == (("cat", "dog"), {"cat": 2, "dog": 1})
    assert said.tree.root == tree_root(leaf_hash(item) for item in read_items(found.manifest)).hex()
    assert read_dataset(out / ENVELOPE, public(keys, "alice"), NOW) == found


@pytest.mark.long
def test_the_bundle_is_small_and_the_manifest_too(keys, tmp_path):
    """MNIST as files: at most 60 bytes an item and 4 KB for the statement."""
    write_dataset(tmp_path / "d", load_mnist("test"), None, "png-folder")
    said = attest(
        str(tmp_path / "d"), [signer(keys, "alice")], tmp_path / "out", expires=datetime(2100, 1, 1, tzinfo=UTC)
    )
    assert (tmp_path / "out" / BUNDLE).stat().st_size <= 4096
    assert (tmp_path / "out" / MANIFEST).stat().st_size == said.manifest.bytes <= 60 * said.tree.size


def test_the_subject_is_the_manifest_so_that_any_tool_can_check_it(data, keys, tmp_path):
    attest(str(data), [signer(keys, "alice")], tmp_path / "out")
    record = json.loads((tmp_path / "out" / BUNDLE).read_text())
    assert record["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    envelope = read_envelope((tmp_path / "out" / BUNDLE).read_bytes(), "bundle")
    (subject,), kind, predicate = parse_statement(envelope.payload, "bundle")
    done = subprocess.run(["sha256sum", tmp_path / "out" / MANIFEST], capture_output=True, text=True, check=True)
    assert (subject.name, subject.sha256, kind) == (MANIFEST, done.stdout.split()[0], DATASET_TYPE)
    assert predicate["tree"]["size"] == 3


def test_versions_follow_each_other_in_one_folder(data, keys, tmp_path):
    out, alice = tmp_path / "out", [signer(keys, "alice")]
    first = attest(str(data), alice, out, expires=NOW + timedelta(days=1), now=NOW)
    before = read_dataset(out / BUNDLE, public(keys, "alice"), NOW).sha256
    (data / "cat/3.png").write_bytes(b"new")
    later = NOW + timedelta(days=9)
    second = attest(str(data), alice, out, now=later)  # the first has expired, and is gone on from
    assert second.dataset.id == first.dataset.id
    assert (second.dataset.version, second.dataset.previous) == (2, before)
    fourth = attest(str(data), alice, out, version=4, now=later)
    assert fourth.dataset.version == 4
    with pytest.raises(UsageError, match="next version is 5"):
        attest(str(data), alice, out, version=4, now=later)
    assert read_dataset(out / BUNDLE, public(keys, "alice"), later).predicate.dataset.version == 4
    assert set(names(out)) == {MANIFEST, BUNDLE, ENVELOPE, "whitesquare.json"}


def test_a_version_in_another_folder_goes_on_from_a_bundle(data, keys, tmp_path):
    first = attest(str(data), [signer(keys, "alice")], tmp_path / "one")
    data.rename(tmp_path / "moved")
    second = attest(
        str(tmp_path / "moved"),
        [signer(keys, "bob")],
        tmp_path / "two",
        previous=tmp_path / "one" / BUNDLE,
        trusted=public(keys, "alice"),
    )
    assert (second.dataset.id, second.dataset.version) == (first.dataset.id, 2)
    (tmp_path / "one" / MANIFEST).unlink()  # what is stated about it is enough
    third = attest(
        str(tmp_path / "moved"),
        [signer(keys, "alice")],
        tmp_path / "three",
        previous=tmp_path / "one" / BUNDLE,
        name=first.dataset.id,
    )
    assert third.dataset.previous == second.dataset.previous


def test_who_signed_the_version_before_must_be_trusted(data, keys, tmp_path):
    attest(str(data), [signer(keys, "alice")], tmp_path / "out", name="cats")
    kept = (tmp_path / "out" / BUNDLE).read_bytes()
    with pytest.raises(VerificationError, match="version before cannot be trusted"):
        attest(str(data), [signer(keys, "eve")], tmp_path / "out", name="cats")
    with pytest.raises(VerificationError, match="version before cannot be trusted"):
        attest(str(data), [signer(keys, "eve")], tmp_path / "new", previous=tmp_path / "out" / BUNDLE)
    with pytest.raises(NothingToDoError):
        attest(str(data), [signer(keys, "alice")], tmp_path / "new", previous=tmp_path / "nothing")
    assert (tmp_path / "out" / BUNDLE).read_bytes() == kept
    assert not (tmp_path / "new").exists()


def test_a_folder_does_not_change_hands_between_data_sets(data, keys, tmp_path):
    attest(str(data), [signer(keys, "alice")], tmp_path / "out")
    with pytest.raises(UsageError, match="write to another folder"):
        attest("mnist", [signer(keys, "alice")], tmp_path / "out")
    with pytest.raises(UsageError, match="write to another folder"):
        attest(str(data), [signer(keys, "alice")], tmp_path / "out", name="other")


def test_the_default_name_tells_data_sets_and_keys_apart(data, keys, tmp_path, monkeypatch):
    def named(source, who, number):
        return attest(str(source), [signer(keys, who)], tmp_path / f"o{number}").dataset.id

    names = {named(data, "alice", 1), named(data, "bob", 2), named(data / "cat", "alice", 3)}
    assert len(names) == 3
    assert all(name.startswith(("urn:whitesquare:data-", "urn:whitesquare:cat-")) for name in names)
    monkeypatch.chdir(data)
    assert named(".", "alice", 4) == named(data, "alice", 5)


@pytest.mark.parametrize("place", [".", "attest", "cat/attest", "link/attest"])
def test_the_output_must_not_lie_in_the_data(data, keys, tmp_path, place):
    (tmp_path / "link").symlink_to(data)
    folder = tmp_path / place if place.startswith("link") else data / place
    with pytest.raises(UsageError):
        attest(str(data), [signer(keys, "alice")], folder)
    assert sorted(path.name for path in data.rglob("*")) == ["1.png", "1.png", "2.png", "cat", "dog"]


def test_only_an_attestation_is_replaced(data, keys, tmp_path):
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "whitesquare.json").write_text(json.dumps({"kind": "run", "version": "1", "names": []}))
    with pytest.raises(UsageError, match="holds a run"):
        attest(str(data), [signer(keys, "alice")], run_folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not written by whitesquare"):
        attest(str(data), [signer(keys, "alice")], tmp_path / "mine")


def test_the_empty_folder_and_the_point(keys, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    code, said = run("attest", ".", "--key", keys / "alice.pem", "-o", "../out")
    assert code == 0
    assert "0: 0 other files, in 0 classes" in said
    found = read_dataset(tmp_path / "out" / BUNDLE, public(keys, "alice"), NOW)
    assert found.predicate.tree.size == 0
    assert found.predicate.dataset.id.startswith("urn:whitesquare:empty-")
    assert list(read_items(found.manifest)) == []


def test_what_cannot_be_signed_leaves_nothing(data, keys, tmp_path):
    (data / "cat" / "link.png").symlink_to("1.png")
    with pytest.raises(DataError, match="symbolic link"):
        attest(str(data), [signer(keys, "alice")], tmp_path / "out")
    assert names(tmp_path) == ["data"]


def test_signers_and_times_that_cannot_be(data, keys, tmp_path):
    alice = signer(keys, "alice")
    for signers, options in [([], {}), ([alice, alice], {}), ([alice], {"expires": NOW}), ([alice], {"name": "a\nb"})]:
        with pytest.raises(UsageError):
            attest(str(data), signers, tmp_path / "out", now=NOW, **options)


def test_the_command_line_from_key_to_second_signature(data, keys, tmp_path):
    out = tmp_path / "out"
    code, said = run(
        *("attest", data, "--key", keys / "alice.pem", "-o", out, "--name", "cats", "--expires", "90d"),
        *("--source", "https://example.org", "--version", "3"),
    )
    assert code == 0
    assert "cats, version 3" in said
    assert "3: 3 train samples, in 2 classes" in said
    assert f"whitesquare verify {data} --bundle {out / BUNDLE}" in said
    code, said = run(
        "countersign",
        out / BUNDLE,
        "--key",
        keys / "bob.pem",
        "--trust",
        trusted_folder(keys, tmp_path, "alice", "bob"),
    )
    assert code == 0
    assert "signed by 2 keys" in said
    now = datetime.now(UTC)
    assert len(read_dataset(out / ENVELOPE, public(keys, "alice", "bob"), now, Signatures(total=2)).signers) == 2
    assert len(read_dataset(out / BUNDLE, public(keys, "alice"), now).signers) == 1
    assert run("attest", data, "--key", keys / "alice.pem", "-o", out, "--name", "cats")[0] == 0
    assert run("attest", data, "--key", keys / "nobody.pem", "-o", out)[0] == 2
    assert run("attest", data, "--key", keys / "alice.pem", "-o", data / "x")[0] == 2
    assert run("attest", data, "--key", keys / "alice.pem", "-o", out, "--expires", "1999-01-01")[0] == 2
    assert run("attest", data, "--key", keys / "eve.pem", "-o", out)[0] == 1


def test_two_keys_at_once_and_an_encrypted_one(data, keys, tmp_path, monkeypatch):
    monkeypatch.setenv("WHITESQUARE_KEY_PASSWORD", "correct horse")
    generate(tmp_path / "locked", "ed25519", "correct horse")
    out = tmp_path / "out"
    both = ("--key", tmp_path / "locked.pem", "--key", keys / "alice.pem")
    assert run("attest", data, *both, "-o", out)[0] == 0
    trusted = [load_public(tmp_path / "locked.pub"), *public(keys, "alice")]
    assert len(read_dataset(out / ENVELOPE, trusted, NOW, Signatures(total=2)).signers) == 2
    assert read_dataset(out / BUNDLE, trusted, NOW).signers[0].name == "locked"
    monkeypatch.setenv("WHITESQUARE_KEY_PASSWORD", "wrong")
    code, said = run("attest", data, *both, "-o", out)
    assert code == 2
    assert "does not open" in said


def test_nobody_countersigns_a_changed_manifest_or_twice(data, keys, tmp_path):
    out, trusted = tmp_path / "out", public(keys, "alice", "bob")
    attest(str(data), [signer(keys, "alice")], out)
    with pytest.raises(UsageError, match="has signed"):
        countersign(out / BUNDLE, signer(keys, "alice"), trusted)
    with pytest.raises(VerificationError, match="none of the 1 trusted"):
        countersign(out / BUNDLE, signer(keys, "bob"), public(keys, "bob"))
    manifest = (out / MANIFEST).read_bytes()
    envelope = (out / ENVELOPE).read_bytes()
    (out / MANIFEST).write_bytes(bytes([manifest[0] ^ 1]) + manifest[1:])
    with pytest.raises(VerificationError, match="was changed"):
        countersign(out / BUNDLE, signer(keys, "bob"), trusted)
    (out / MANIFEST).write_bytes(manifest)
    attest("mnist", [signer(keys, "alice")], tmp_path / "other")
    (out / BUNDLE).write_bytes((tmp_path / "other" / BUNDLE).read_bytes())
    with pytest.raises(VerificationError, match="different things"):
        countersign(out / BUNDLE, signer(keys, "bob"), trusted)
    assert (out / ENVELOPE).read_bytes() == envelope
    assert len(countersign(out / ENVELOPE, signer(keys, "bob"), trusted).signatures) == 2


# ---- reading: every way in which a statement, its file or its time can be wrong


def changed(keys, out, **fields):
    """Sign again, by the right key, a predicate with other fields: what its reader must not take on trust."""
    envelope = read_envelope((out / BUNDLE).read_bytes(), "bundle")
    (subject,), kind, predicate = parse_statement(envelope.payload, "bundle")
    for path, value in fields.items():
        *steps, last = path.split("__")
        place = predicate
        for step in steps:
            place = place[step]
        place[last] = value
    subjects = [Subject(predicate["manifest"]["name"], subject.sha256)]
    again = sign(encode_statement(subjects, kind, predicate), [signer(keys, "alice")])
    (out / BUNDLE).write_text(encode_bundle(again))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"manifest__name": "../manifest.parquet"}, "no name of a file"),
        ({"manifest__name": "/etc/passwd"}, "no name of a file"),
        ({"manifest__name": ".."}, "no name of a file"),
        ({"manifest__name": "a\\b"}, "no name of a file"),
        ({"manifest__bytes": 10_000_000_000}, "bytes, and 10000000000 are signed"),
        ({"manifest__bytes": -1}, "impossible"),
        ({"manifest__bytes": True}, "states nothing"),
        ({"tree__size": 4}, "has 3 rows, and 4 items"),
        ({"tree__size": 2}, "more samples than"),
        ({"tree__algorithm": "sha1"}, "its tree is 'sha1'"),
        ({"tree__leaf": "other/v1"}, "other/v1"),
        ({"tree__root": "00"}, "no root"),
        ({"dataset__version": 0}, "impossible"),
        (
            {"dataset__version": "1"},
            "states nothing about a data set: dataset.version is '1'; expected a whole number.$",
        ),
        ({"classes": ["cat", "cat"]}, "named twice"),
        ({"classes": ["cat", "cow"]}, "other classes"),
        ({"splits__train__size": 4}, "do not add up"),
        ({"splits__train__classes": {"cat": 4, "dog": -1}}, "do not add up"),
        ({"content__kind": "names"}, "expected files or pixels"),
        ({"signed": "yesterday"}, "yesterday"),
        ({"expires": "2020-01-01"}, "states nothing"),
        ({"expires": "2020-01-01T00:00:00.000000Z"}, "expired at"),
        ({"surprise": 1}, "about a data set: There is no field named 'surprise'"),
    ],
)
def test_a_signed_statement_is_still_checked(data, keys, tmp_path, fields, reason):
    out = tmp_path / "out"
    attest(str(data), [signer(keys, "alice")], out)
    changed(keys, out, **fields)
    with pytest.raises(VerificationError, match=reason):
        read_dataset(out / BUNDLE, public(keys, "alice"), NOW)


def test_what_is_missing_is_missing_and_not_wrong(data, keys, tmp_path):
    out, trusted = tmp_path / "out", public(keys, "alice")
    attest(str(data), [signer(keys, "alice")], out)
    with pytest.raises(NothingToDoError):
        read_dataset(out / "nothing.json", trusted, NOW)
    (out / MANIFEST).unlink()
    with pytest.raises(NothingToDoError, match=r"manifest\.parquet"):
        read_dataset(out / BUNDLE, trusted, NOW)


def test_an_attestation_expires(data, keys, tmp_path):
    attest(str(data), [signer(keys, "alice")], tmp_path / "out", expires=NOW + timedelta(days=1), now=NOW)
    trusted = public(keys, "alice")
    assert read_dataset(tmp_path / "out" / BUNDLE, trusted, NOW + timedelta(hours=24))
    with pytest.raises(VerificationError, match=f"expired at {NOW + timedelta(days=1):%Y-%m-%d}"):
        read_dataset(tmp_path / "out" / BUNDLE, trusted, NOW + timedelta(hours=25))


def test_a_flipped_bit_in_bundle_or_manifest_is_never_accepted(data, keys, tmp_path):
    out, trusted = tmp_path / "out", public(keys, "alice")
    attest(str(data), [signer(keys, "alice")], out)
    for path in (out / BUNDLE, out / MANIFEST):
        whole = path.read_bytes()
        for position in range(0, len(whole), max(1, len(whole) // 150)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
            with pytest.raises(VerificationError):
                read_dataset(out / BUNDLE, trusted, NOW)
        path.write_bytes(whole)
    assert read_dataset(out / BUNDLE, trusted, NOW)


# ---- processes that die, meet, or may not write


def command(data, keys, out):
    return [
        sys.executable,
        "-m",
        "whitesquare.cli",
        "attest",
        str(data),
        "--key",
        str(keys / "alice.pem"),
        "-o",
        str(out),
    ]


def big(folder):
    for name in range(40):
        (folder / f"c{name}").mkdir(parents=True)
        for file in range(200):
            (folder / f"c{name}" / f"{file}.png").write_bytes(b"%d %d" % (name, file))
    return folder


def workers_of(pid):
    listing = Path("/proc")
    if not (listing / "self" / "task").is_dir():
        pytest.skip("processes are counted by /proc")
    return (listing / str(pid) / "task" / str(pid) / "children").read_text().split()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def killed_in_mid_write(data, keys, target):
    """Kill an attestation that writes; return the process ids of its workers, or ``None`` if it was done before."""
    process = subprocess.Popen(command(data, keys, target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def parts():
        return list(target.parent.glob(f".{target.name}.*.part"))

    try:
        until(lambda: process.poll() is not None or parts(), "attestation that writes")
        process.send_signal(signal.SIGSTOP)  # while it is looked at, it does not go on
        return workers_of(process.pid) if process.poll() is None and parts() else None
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
def test_killed_in_mid_write_it_leaves_the_old_attestation_or_none(keys, tmp_path):
    data, out = big(tmp_path / "data"), tmp_path / "out"
    subprocess.run(command(data, keys, out), check=True, capture_output=True)
    (data / "c0" / "new.png").write_bytes(b"new")
    for target in (out, tmp_path / "fresh"):
        for _ in range(5):  # where this process gets no turn for seconds, the other is done before it is killed
            kept = content(target)
            children = killed_in_mid_write(data, keys, target)
            if children is not None:
                break
            if target != out:
                shutil.rmtree(target)
        assert children is not None, "it was done before it could be killed, five times"
        assert content(target) == kept
        assert target.exists() == (target == out)
        until(lambda pids=children: not any(map(alive, pids)), "end of workers whose parent was killed")
    assert subprocess.run(command(data, keys, out), check=False, capture_output=True).returncode == 0


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@pytest.mark.long
def test_runs_at_once_leave_one_whole_attestation(data, keys, tmp_path):
    out = tmp_path / "out"
    for _ in range(3):
        processes = [
            subprocess.Popen(command(data, keys, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        ends = [(*process.communicate(), process.returncode) for process in processes]
        assert any(code == 0 for *_, code in ends)
        assert all("Traceback" not in errors for _, errors, _ in ends), ends
        assert read_dataset(out / BUNDLE, public(keys, "alice"), NOW)
        assert names(tmp_path) == ["data", "out"]


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a small file system of its own, and the folder where."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size):
        try:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a file system cannot be mounted here, it takes root on Linux: {error}")
        return folder

    yield mount
    subprocess.run(["umount", folder], check=False, capture_output=True)


@pytest.mark.parametrize("size", ["200k", "800k"])
def test_a_full_disk_leaves_nothing(disk, keys, tmp_path, size):
    """The lines of 8,000 files take some 700 kB, their manifest another 300 kB: the one fits nowhere, or the other."""
    folder = disk(size)
    code, said = run("attest", big(tmp_path / "data"), "--key", keys / "alice.pem", "-o", folder / "out")
    assert code == 2
    assert "No space left on device" in said
    assert names(folder) == []


def test_a_read_only_folder_can_be_attested_and_not_written_to(disk, data, keys, tmp_path):
    read_only = disk("1m")
    (read_only / "cat").mkdir()
    (read_only / "cat" / "1.png").write_bytes(b"1")
    subprocess.run(["mount", "-o", "remount,ro", read_only], check=True)
    assert run("attest", read_only, "--key", keys / "alice.pem", "-o", tmp_path / "out")[0] == 0
    code, said = run("attest", data, "--key", keys / "alice.pem", "-o", read_only / "out")
    assert code == 2
    assert "Read-only file system" in said


def test_a_file_that_may_not_be_read_is_named(data, keys, tmp_path, monkeypatch):
    """Root may read everything, so that the refusal is made here."""

    def refuse(self, folder, name, piece):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(reading.Reader, "read", refuse)
    with pytest.raises(DataError, match=r"cat/1\.png.*cannot be read \(Permission denied\)"):
        attest(str(data), [signer(keys, "alice")], tmp_path / "out")
    assert names(tmp_path) == ["data"]


def test_the_files_of_an_attestation_can_be_read_by_others(data, keys, tmp_path):
    attest(str(data), [signer(keys, "alice")], tmp_path / "out")
    for name in (MANIFEST, BUNDLE, ENVELOPE):
        mode = stat.S_IMODE((tmp_path / "out" / name).stat().st_mode)
        umask = os.umask(0)
        os.umask(umask)
        assert mode == 0o666 & ~umask
