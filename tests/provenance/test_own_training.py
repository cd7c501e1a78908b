"""A training loop of anybody's own: every reading of every worker is checked, counted, and signed for."""

import multiprocessing
import os
import pickle
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader, Subset

from whitesquare.data import from_arrays, load_npz, write_npz
from whitesquare.errors import ContractError, NothingToDoError, UsageError, VerificationError
from whitesquare.provenance.consumed import Reading
from whitesquare.provenance.evidence import OWN_BUILD_TYPE, PROVENANCE
from whitesquare.provenance.own_code import HEAD, read_code
from whitesquare.provenance.own_training import attested_training
from whitesquare.provenance.predicates import train_evidence, train_predicate
from whitesquare.provenance.reads import ReadRecord
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
from whitesquare.signing.keys import load_public
from whitesquare.signing.statements import PROVENANCE_TYPE, read_statement

from .attesting import NOW, Case, attested, key_pair, pictures, run

ROOT = Path(__file__).parents[2]
POLICY = """[keys]
trust = "gate-keys/"
[data]
signatures = { data = 1 }
[training]
code = [%s]
"""


NAMES: tuple[object, ...] = (
    *([], ["../secret"], ["weights.bin"], ["model.json"], ["./model.safetensors"], "model.safetensors"),
    *(["model.safetensors", "notes.txt"], ["model.safetensors", "model.safetensors"]),
    *(["model.safetensors", "../model.json"], ["Model.safetensors", "model.json"]),
)
"""What no gate takes for the files of a model."""


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Whatever the gate remembers is forgotten with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """By format, a small attested data set."""
    folder = tmp_path_factory.mktemp("own")
    train, test = pictures(24), pictures(6, "test")
    return {fmt: attested(folder / fmt, fmt, train, test) for fmt in ("png-folder", "npz", "idx")}


def copied(case: Case, folder: Path) -> Case:
    shutil.copytree(case.data, folder / "data")
    return replace(case, data=folder / "data")


@pytest.fixture
def photos(made, tmp_path):
    return copied(made["png-folder"], tmp_path)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "code" / "loop.py"
    path.parent.mkdir()
    path.write_text("train()\n")
    return path


def begin(case: Case, script: Path):
    return attested_training(case.data, case.bundle, trust=case.trust, code=[script])


def loader(data, workers=2, **options):
    return DataLoader(data, batch_size=4, num_workers=workers, shuffle=True, **options)


def model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "model.json").write_text("{}")
    return folder


def sign(training, case, folder, **options):
    settings = {"recipe": {"epochs": 2}, "seed": 7} | options
    return training.sign(folder, case.key("trainer"), **settings)


def gate(case: Case, folder: Path, *codes: str, code: int = 0):
    """Decide about a run, by the keys of the data's owner and the trainer in their roles."""
    keys = folder.parent / "gate-keys"
    keys.mkdir(exist_ok=True)
    for path, role in ((case.trust / "owner.pub", "data"), (case.keys / "trainer.pub", "trainer")):
        shutil.copy(path, keys)
        (keys / path.with_suffix(".toml").name).write_text(f'role = "{role}"\n')
    policy = folder.parent / "policy.toml"
    policy.write_text(POLICY % ", ".join(f'"{one}"' for one in codes))
    return run("gate", folder, "--policy", policy, code=code).stdout


def measured(folder: Path) -> None:
    """Measure a model under one trigger on the test images that its own card names."""
    run("measure", folder, "--trigger", "patch", "--target", 0)


@pytest.mark.parametrize("fmt", ["png-folder", "npz", "idx"])
def test_an_own_loop_with_workers_is_signed_and_passes_the_gate(made, fmt, script, tmp_path):
    case = made[fmt]
    training = begin(case, script)
    data = training.dataset("train")
    before = {name: image for name, (image, _) in zip(data.ids, data, strict=True)}
    seen = []
    for _ in range(2):
        for images, labels in loader(data):
            assert images.shape[1:] == (1, 12, 12)
            seen += labels.tolist()
    assert sorted(seen) == sorted(2 * list(data.labels))
    assert all(np.array_equal(data[i][0], before[name]) for i, name in enumerate(data.ids))
    folder = model(tmp_path / "run")
    evidence = sign(training, case, folder, epochs=4)
    reads = evidence.reads["train"]
    assert (reads.samples, reads.smallest, reads.largest, reads.total) == (24, 4, 4, 96)
    split = case.signed.predicate.splits["train"]
    assert (evidence.root, evidence.size) == (split.root, split.size)
    assert {path.name for path in folder.iterdir()} >= {MANIFEST, BUNDLE, ENVELOPE, PROVENANCE}
    trainer = (load_public(case.keys / "trainer.pub"),)
    statement = read_statement(folder / PROVENANCE, PROVENANCE_TYPE, trainer, NOW)
    assert train_evidence(statement.predicate, "x") == evidence
    assert {one.name: one.sha256 for one in statement.subjects}["model.json"] == sha256(b"{}").hexdigest()
    assert "PASSED" in gate(case, folder, evidence.code)
    assert "FAILED" in gate(case, folder, "ab" * 32, code=1)


@pytest.mark.long
@pytest.mark.parametrize(("method", "fmt"), [("spawn", "png-folder"), ("forkserver", "npz")])
def test_workers_that_are_not_forked_check_and_count_too(made, script, method, fmt):
    training = begin(made[fmt], script)
    for _ in loader(training.dataset("train"), 1, multiprocessing_context=method):
        pass
    assert (training.reads().smallest, training.reads().largest) == (1, 1)


def repaint(case: Case, name: str = "train/dog/00004.png") -> None:
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(case.data / name)


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_changed_between_epochs_ends_the_training(photos, script, tmp_path, workers):
    training = begin(photos, script)
    batches = loader(training.dataset("train"), workers, persistent_workers=workers > 0)
    for _ in batches:
        pass
    original = (photos.data / "train/dog/00004.png").read_bytes()
    repaint(photos)
    with pytest.raises(VerificationError, match=r"'train/dog/00004\.png' is not the signed one"):
        for _ in batches:
            pass
    # A loop that goes on after the error, with the file put back, gets no statement.
    (photos.data / "train/dog/00004.png").write_bytes(original)
    for _ in batches:
        pass
    with pytest.raises(VerificationError, match="1 times, and the error that said so did not end the training"):
        sign(training, photos, model(tmp_path / "run"))
    assert not (tmp_path / "run" / PROVENANCE).exists()


def test_a_refusal_of_another_split_is_remembered_as_well(photos, script, tmp_path):
    training = begin(photos, script)
    list(training.dataset("train"))
    repaint(photos, "test/dog/00001.png")
    with pytest.raises(VerificationError, match="the signed one"):
        list(training.dataset("test"))
    with pytest.raises(VerificationError, match="of the test split"):
        sign(training, photos, model(tmp_path / "run"))


def test_a_file_changed_after_verify(photos, script):
    repaint(photos)
    with pytest.raises(VerificationError, match="is not the signed one"):
        list(loader(begin(photos, script).dataset("train")))


def test_a_sample_more_one_less_and_another_label(photos, script):
    dog, cat = photos.data / "train/dog/00004.png", photos.data / "train/cat"
    shutil.copy(dog, dog.with_name("99999.png"))
    with pytest.raises(VerificationError, match=r"99999\.png' is not among those signed"):
        begin(photos, script).dataset("train")
    dog.with_name("99999.png").unlink()
    dog.rename(cat / "00004.png")
    with pytest.raises(VerificationError, match=r"train/cat/00004\.png' is not among those signed"):
        begin(photos, script).dataset("train")
    (cat / "00004.png").unlink()
    with pytest.raises(VerificationError, match=r"train/dog/00004\.png' is missing"):
        begin(photos, script).dataset("train")


@pytest.mark.long
def test_a_container_with_other_pixels_and_one_changed_while_training(made, script, tmp_path):
    case = copied(made["npz"], tmp_path)
    training = begin(case, script)
    data = training.dataset("train")
    before = [image for image, _ in data]
    old = load_npz(case.data / "train.npz")
    other = from_arrays(old.images(slice(None))[:, 0] ^ 1, old.labels, classes=old.classes)
    (case.data / "train.npz").unlink()
    write_npz(case.data / "train.npz", other)
    # What was checked is in memory and goes to workers that way, those that open everything anew included.
    for images, labels in DataLoader(data, 24, num_workers=1, multiprocessing_context="spawn"):
        assert np.array_equal(images.numpy(), np.stack(before))
        assert labels.tolist() == list(data.labels)
    with pytest.raises(VerificationError, match="is not the signed one"):
        begin(case, script).dataset("train")


def test_another_container_with_the_same_pixels(made, script, tmp_path):
    case = copied(made["npz"], tmp_path)
    with np.load(case.data / "train.npz") as found:
        np.savez(case.data / "train.npz", **dict(found))
    with pytest.raises(VerificationError, match=r"'train\.npz' is not the signed one"):
        begin(case, script).dataset("train")


@pytest.mark.long
def test_nothing_is_written_through_a_link_in_the_folder_of_the_model(made, script, tmp_path):
    training = begin(made["png-folder"], script)
    data = training.dataset("train")
    for _ in range(2):
        list(loader(data, workers=0))
    folder, precious = model(tmp_path / "run"), tmp_path / "precious"
    precious.write_text("precious")
    for name in (MANIFEST, BUNDLE):
        (folder / name).symlink_to(precious)
    sign(training, made["png-folder"], folder)
    assert precious.read_text() == "precious"
    assert not (folder / MANIFEST).is_symlink()


def test_pixels_that_change_in_memory_are_caught(made, script):
    training = begin(made["npz"], script)
    data = training.dataset("train")
    image, _ = data[3]
    image[:] = 0  # a loop's own array: nobody else gets it
    assert data[3][0].any()
    data._pixels = data._pixels ^ 1
    with pytest.raises(VerificationError, match="'train/00003' is not the signed one"):
        data[3]


def test_a_sample_that_is_not_read_in_every_epoch(made, script, tmp_path):
    case = made["png-folder"]
    training = begin(case, script)
    data = training.dataset("train")
    list(loader(data))
    list(loader(Subset(data, range(1, len(data)))))
    folder = model(tmp_path / "run")
    with pytest.raises(VerificationError, match=f"1 were read less than 2 times: '{data.ids[0]}' 1 times"):
        sign(training, case, folder, epochs=2)
    evidence = sign(training, case, folder)
    assert (evidence.reads["train"].smallest, evidence.reads["train"].largest) == (1, 2)


def test_a_sample_that_is_never_read(made, script, tmp_path):
    case = made["png-folder"]
    training = begin(case, script)
    data = training.dataset("train")
    list(loader(Subset(data, range(1, len(data)))))
    folder = model(tmp_path / "run")
    with pytest.raises(VerificationError, match=f"'{data.ids[0]}' 0 times"):
        sign(training, case, folder)
    evidence = sign(training, case, folder, allow_partial=True)
    assert evidence.size == len(data) - 1
    assert evidence.root != case.signed.predicate.splits["train"].root
    assert "training-complete" in gate(case, folder, code=1)


def read_ten_and_die(data) -> None:
    for i in range(10):
        data[i]
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_loses_no_reading(made, script, tmp_path):
    training = begin(made["png-folder"], script)
    worker = multiprocessing.get_context("fork").Process(target=read_ten_and_die, args=(training.dataset("train"),))
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert training.reads().total == 10
    with pytest.raises(VerificationError, match="14 were read less than 1 times"):
        sign(training, made["png-folder"], model(tmp_path / "run"))
    list(loader(training.dataset("train")))
    assert training.reads().total == 34


def test_threads_and_processes_that_count_at_once_lose_nothing():
    record = ReadRecord(3)
    code = "import pickle, sys; r = pickle.loads(sys.stdin.buffer.read()); [r.count(1) for _ in range(3000)]"
    others = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(2)]
    for other in others:
        other.stdin.write(pickle.dumps(record))
        other.stdin.close()
    threads = [threading.Thread(target=lambda: [record.count(1) for _ in range(1000)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in [*threads, *others]:
        thread.join() if isinstance(thread, threading.Thread) else thread.wait()
    assert list(record.counts()) == [0, 8000, 0]
    assert record.refused() == 0


def test_the_record_is_private_and_ends_with_the_training(made, script):
    training = begin(made["npz"], script)
    data = training.dataset("train")
    place = data._record._path
    assert place.parent.stat().st_mode & 0o777 == 0o700
    del training
    assert data[0][1] == data.labels[0]  # the samples alone keep it
    list(loader(data))  # and a worker that ends does not remove it
    late = pickle.loads(pickle.dumps(data))
    del data
    assert not place.parent.exists()
    with pytest.raises(ContractError, match="keep the attested training alive"):
        late[0]


def test_positions(made, script):
    data = begin(made["npz"], script).dataset("train")
    assert np.array_equal(data[-1][0], data[np.int64(len(data) - 1)][0])
    for wrong in (len(data), -len(data) - 1):
        with pytest.raises(IndexError, match="has 24 samples"):
            data[wrong]
    with pytest.raises(TypeError):
        data[1.5]


def test_a_position_from_the_end_does_not_grow_the_record_of_a_reading(made):
    from whitesquare.data import open_dataset

    case = made["png-folder"]
    reading = Reading(open_dataset(case.data), "train", case.signed)
    reading.dataset.images(np.array([-1]))
    last = reading.dataset.ids[-1]
    assert len(reading._digests) == 32 * 24
    assert reading.digests([last]) == {last: sha256((case.data / last).read_bytes()).hexdigest()}
    with pytest.raises(ContractError, match="told of the sample 24, and has 24"):
        reading._take(24, b"")


def test_a_manifest_exchanged_after_its_signature_was_checked(made, script, tmp_path):
    from whitesquare.provenance.attest import attest

    case = made["png-folder"]
    other = copied(case, tmp_path)
    shutil.copytree(case.attestation, tmp_path / "attestation")
    other = replace(other, attestation=tmp_path / "attestation")
    training = begin(other, script)
    repaint(other)
    attest(str(other.data), [key_pair(tmp_path / "mallory")], tmp_path / "forged")
    shutil.copy(tmp_path / "forged" / MANIFEST, tmp_path / "attestation" / MANIFEST)
    with pytest.raises(VerificationError, match="was changed after its signature was checked"):
        training.dataset("train")


def git(folder, *arguments):
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *author, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_code_is_named_by_commit_and_content(script, tmp_path):
    helper = script.with_name("models.py")
    helper.write_text("model = 1\n")
    alone = read_code([script])
    assert (alone.record.commit, alone.record.dirty) == ("", False)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "code")
    git(tmp_path, "commit", "-qm", "code")
    found = read_code([script, helper])
    assert found.record.commit == git(tmp_path, "rev-parse", "HEAD")
    assert not found.record.dirty
    names = ("code/loop.py", "code/models.py")
    assert found.record.files == {one: sha256((tmp_path / one).read_bytes()).hexdigest() for one in names}
    parts = [part for one in names for part in (one.encode(), (tmp_path / one).read_bytes())]
    stream = HEAD + b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    assert found.digest == sha256(stream).hexdigest()
    assert read_code([helper, script, script]) == found
    helper.write_text("model = 2\n")
    changed = read_code([script, helper])
    assert changed.record.dirty
    assert changed.digest != found.digest
    assert not read_code([script]).record.dirty
    (tmp_path / "code" / "new.py").write_text("")
    assert read_code([tmp_path / "code" / "new.py"]).record.dirty


def test_what_a_repository_names_is_not_run(script, tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitattributes").write_text("*.py filter=evil\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "code")
    commit = git(tmp_path, "rev-parse", "HEAD")
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    evil.chmod(0o755)
    for name in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "core.pager", "diff.external"):
        git(tmp_path, "config", name, str(evil))
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    os.utime(script)
    found = read_code([script])
    assert (found.record.commit, found.record.dirty) == (commit, False)
    assert not (tmp_path / "ran").exists()


@pytest.mark.long
def test_own_code_cannot_pass_as_whitesquares():
    """The same files give another digest: a policy that accepts whitesquare's code accepts no loop beside it."""
    import whitesquare
    from whitesquare._base.machine import code_digest

    package = Path(whitesquare.__file__).parent
    top = package / "__init__.py"
    assert read_code([top, *package.rglob("*.py")]).digest != code_digest()


def test_code_changed_while_it_trained(made, script, tmp_path):
    training = begin(made["npz"], script)
    list(training.dataset("train"))
    script.write_text("train_on_something_else()\n")
    with pytest.raises(VerificationError, match="The code was changed since the training began"):
        sign(training, made["npz"], model(tmp_path / "run"))


def test_a_build_type_that_does_not_fit_is_refused(made, script, tmp_path):
    training = begin(made["npz"], script)
    list(training.dataset("train"))
    evidence = sign(training, made["npz"], model(tmp_path / "run"))
    predicate = train_predicate(evidence, MANIFEST)
    assert predicate["buildDefinition"]["buildType"] == OWN_BUILD_TYPE
    predicate["buildDefinition"]["buildType"] = "https://whitesquare.dev/training/v1"
    with pytest.raises(VerificationError, match="does not fit the code it names"):
        train_evidence(predicate, "x")
    del predicate["buildDefinition"]["internalParameters"]["source"]
    predicate["buildDefinition"]["buildType"] = OWN_BUILD_TYPE
    with pytest.raises(VerificationError, match="does not fit the code it names"):
        train_evidence(predicate, "x")


def test_what_cannot_be_signed(made, script, tmp_path):
    case = made["npz"]
    training = begin(case, script)
    with pytest.raises(NothingToDoError, match="was not opened"):
        training.reads("train")
    data = training.dataset("train")
    folder = model(tmp_path / "run")
    with pytest.raises(NothingToDoError, match="No sample of the train split was read"):
        sign(training, case, folder)
    list(data)
    for wrong, said in (
        ({"recipe": {"rate": float("nan")}}, "The setting 'rate'"),
        ({"recipe": {"layers": [1]}}, "The setting 'layers'"),
        ({"seed": 1.5}, "The seed is 1.5"),
        ({"epochs": 0}, "The number of epochs is 0"),
        *(({"models": names}, "no gate would accept it; expected a list with 'model.safetensors'") for names in NAMES),
    ):
        with pytest.raises(UsageError, match=said):
            sign(training, case, folder, **wrong)
    (folder / "model.safetensors").rename(folder / "elsewhere")
    with pytest.raises(NothingToDoError, match="write the model before you sign"):
        sign(training, case, folder)
    with pytest.raises(UsageError, match="No file of code is named"):
        attested_training(case.data, case.bundle, trust=case.trust, code=[])
    with pytest.raises(UsageError, match="cannot be read"):
        attested_training(case.data, case.bundle, trust=case.trust, code=[tmp_path / "none.py"])
    with pytest.raises(UsageError, match="does not lie in"):
        attested_training(case.data, case.bundle, trust=case.trust, code=[script, __file__])
    assert not (folder / PROVENANCE).exists()
    assert not (folder / MANIFEST).exists()


@pytest.mark.parametrize("names", [(), ("model.json",), ("victim.json", "model.json"), ("victim.json",)])
def test_whatever_names_are_signed_the_gate_accepts(made, script, tmp_path, names):
    training = begin(made["npz"], script)
    list(training.dataset("train"))
    folder = model(tmp_path / "run")
    (folder / "victim.json").write_text("{}")
    evidence = sign(training, made["npz"], folder, models=[*names, "model.safetensors"])
    assert "PASSED" in gate(made["npz"], folder, evidence.code)


def test_the_example_runs_and_the_gate_passes_it(made, tmp_path, monkeypatch, capsys):
    case, folder = made["png-folder"], tmp_path / "run"
    arguments = (case.data, case.envelope, case.trust, case.key("trainer"), folder)
    monkeypatch.setattr(sys, "argv", ["own_training.py", *map(str, arguments)])
    runpy.run_path(str(ROOT / "examples" / "own_training.py"), run_name="__main__")
    assert "signed: 24 samples, each read 2 times or more" in capsys.readouterr().out
    assert "PASSED" in gate(case, folder)
    measured(folder)


@pytest.mark.long
def test_the_loop_in_the_documentation_runs(made, tmp_path, monkeypatch):
    case = made["png-folder"]
    text = (ROOT / "docs" / "provenance.md").read_text()
    (code,) = re.findall(r"```python\n(.*?attested_training.*?)```", text, re.DOTALL)
    for name, place in (("data", case.data), ("attest", case.attestation), ("keys", case.trust)):
        (tmp_path / name).symlink_to(place)
    shutil.copy(case.key("trainer"), tmp_path / "trainer.pem")
    (tmp_path / "loop.py").write_text(code)
    done = subprocess.run([sys.executable, "loop.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PASSED" in gate(case, tmp_path / "run")
    monkeypatch.chdir(tmp_path)  # the card names the data as the loop did
    measured(tmp_path / "run")
