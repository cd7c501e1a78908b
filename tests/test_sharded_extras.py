"""What a scan is given beside its data is used in shards as in one piece: a reference, losses, an attestation."""

import os
import shutil

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import whitesquare as ws
from tests.programs import python
from tests.provenance.attesting import key_pair
from tests.test_scan import planted, textures
from tests.test_sharded import NAMES, PER_TAR, places, same, write_tars
from whitesquare.data import from_arrays, open_dataset
from whitesquare.data.kept import read_kept
from whitesquare.detectors.label_issues import OwnShares, judged_by
from whitesquare.errors import DataError, UsageError, VerificationError
from whitesquare.executor.engine import Way
from whitesquare.jobs.scan import scan
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.types import BUNDLE
from whitesquare.scanning.calibration import CONFORMAL
from whitesquare.scanning.settings import ScanSettings
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.times import utc_now

FREE = ScanSettings(model_free=True, detectors=("pixel-contrast", "noise-residual"))
LOSSES = ScanSettings(model_free=True, detectors=("pixel-contrast", "loss-trajectories", "loss-isolation"))
EPOCHS = 6


@pytest.fixture(scope="module")
def poisoned():
    """900 images of five classes in shuffled order, a white patch on some of one class."""
    found, carries = planted(0.3)
    order = np.random.default_rng(0).permutation(len(found.labels))[:900]
    return found.images[order], found.labels[order], carries[order]


@pytest.fixture(scope="module")
def tars(poisoned, tmp_path_factory):
    """They lie in six tar files."""
    images, labels, _ = poisoned
    return write_tars(tmp_path_factory.mktemp("tars"), images, labels)


@pytest.fixture(scope="module")
def clean():
    """1,500 images of the same kind, with nothing on them."""
    images, labels = textures(seed=1)
    return from_arrays(images, labels, classes=NAMES)


@pytest.fixture(scope="module")
def losses(tars, poisoned, tmp_path_factory):
    """Losses that fall, those of the carriers at once."""
    _, _, carries = poisoned
    ids, rng = open_dataset(str(tars)).ids, np.random.default_rng(3)
    start = np.where(carries, 0.3, 2.0)[:, None] * np.exp(-np.arange(EPOCHS) / 2)
    values = start * rng.uniform(0.8, 1.2, (len(ids), EPOCHS))
    table = {
        "id": np.repeat(np.array(ids, object), EPOCHS),
        "epoch": np.tile(np.arange(EPOCHS), len(ids)),
        "loss": values.ravel().astype(np.float32),
    }
    path = tmp_path_factory.mktemp("losses") / "losses.parquet"
    with duckdb.connect() as db:
        db.register("rows", table)
        db.execute(f"COPY (SELECT * FROM rows ORDER BY epoch, hash(id)) TO '{path}' (FORMAT parquet)")
    return path


@pytest.fixture
def signed(tars, tmp_path):
    """A copy of the data, and its attestation."""
    shutil.copytree(tars, tmp_path / "data")
    (tmp_path / "trust").mkdir()
    signer = key_pair(tmp_path / "trust" / "carol", secrets=tmp_path / "secret")
    ws.attest(str(tmp_path / "data"), [signer], tmp_path / "signed")
    known = read_attested(tmp_path / "signed" / BUNDLE, load_trusted(tmp_path / "trust"), utc_now())
    return tmp_path / "data", known, signer


def test_a_reference_gives_one_group_the_p_values_of_a_scan_of_one_piece(tars, clean):
    plain = scan(str(tars), FREE, reference=clean).scan
    sharded = scan(str(tars), FREE, reference=clean, way=Way()).scan
    assert plain.result.calibration == sharded.result.calibration == CONFORMAL
    assert sharded.result.calibration_note == plain.result.calibration_note
    assert sharded.result.reference_size == 1500
    assert np.array_equal(sharded.scores.p_values, plain.scores.p_values)
    assert sharded.result.flagged == plain.result.flagged
    assert set(plain.result.warnings) <= set(sharded.result.warnings)


def test_a_reference_gives_every_group_p_values_and_clean_samples_few_small_ones(tars, clean, poisoned):
    _, labels, carries = poisoned
    scanned = scan(str(tars), FREE, reference=clean, way=Way(group=300)).scan
    result, p_values = scanned.result, scanned.scores.p_values
    assert (result.calibration, result.sharding.groups) == (CONFORMAL, 3)
    assert np.isfinite(p_values).all()
    assert (p_values[labels != 2] <= 0.01).mean() < 0.03
    assert np.median(p_values[carries]) < 0.01
    assert 0.4 < np.median(p_values[labels != 2]) < 0.6


def test_a_reference_that_carries_what_the_data_carry_is_no_yardstick_in_shards_either(tars, clean):
    stamped = clean.images(slice(None)).copy()
    stamped[clean.labels == 2, :, 13:15, 13:15] = 255
    dirty = from_arrays(stamped, clean.labels, classes=NAMES)
    found = scan(str(tars), FREE, reference=dirty, way=Way(group=300)).scan.result
    assert found.calibration != CONFORMAL
    assert "The reference was not used for p-values" in found.calibration_note
    assert any("reference" in warning for warning in found.warnings)


def test_samples_of_the_data_are_no_witnesses(tars, poisoned, clean):
    images, labels, _ = poisoned
    mixed = np.concatenate([images[:40], clean.images(slice(None))])
    reference = from_arrays(mixed, np.concatenate([labels[:40], clean.labels]), classes=NAMES)
    found = scan(str(tars), FREE, reference=reference, way=Way(group=300)).scan.result
    assert found.reference_size == 1500
    assert any("40 of the 1540 trusted samples are in the scanned data" in warning for warning in found.warnings)


def test_recorded_losses_say_in_shards_what_they_say_in_one_piece(tars, losses):
    plain = scan(str(tars), LOSSES, losses=losses).scan
    sharded = scan(str(tars), LOSSES, losses=losses, way=Way()).scan
    assert sharded.result.losses == plain.result.losses
    assert sharded.result.verdict == plain.result.verdict
    for name in LOSSES.detectors:
        assert np.array_equal(sharded.scores.by_detector[name], plain.scores.by_detector[name]), name
    assert sharded.result.flagged == plain.result.flagged


def test_recorded_losses_are_looked_at_in_every_group_and_joined_once(tars, losses, poisoned, tmp_path):
    _, _, carries = poisoned
    way = Way(group=300, folder=tmp_path / "kept")
    first = scan(str(tars), LOSSES, losses=losses, way=way)
    scores = first.scan.scores.by_detector["loss-trajectories"]
    assert first.scan.result.sharding.grouped == ("loss-isolation", "loss-trajectories")
    assert np.isfinite(scores).all()
    assert scores[carries].mean() > scores[~carries].mean()
    kept = sorted((way.folder / "losses").glob("*.kept"))
    assert len(kept) == 6
    assert {read_kept(path).layout["losses"][1] for path in kept} == {(PER_TAR, EPOCHS)}
    before = places(way.folder, "losses")
    assert same(scan(str(tars), LOSSES, losses=losses, way=way).json(), first.json())
    assert places(way.folder, "losses") == before


def test_losses_of_other_data_are_refused(tars, tmp_path):
    path = tmp_path / "other.parquet"
    duckdb.sql(f"COPY (SELECT 'a' || i AS id, 0 AS epoch, 1.0 AS loss FROM range(900) t(i)) TO '{path}'")
    with pytest.raises(DataError, match="scanned samples without a recorded loss: 900"):
        scan(str(tars), LOSSES, losses=path, way=Way())


def test_attested_data_are_scanned_in_shards_and_the_statement_names_their_root(signed):
    data, known, signer = signed
    done = scan(str(data), FREE, attested=known, signer=signer, way=Way(group=300))
    assert done.attested.consumed.root == known.signed.predicate.splits["train"].root
    plain = scan(str(data), FREE, attested=known, signer=signer)
    assert done.contents().keys() >= plain.contents().keys() & done.contents().keys() != set()
    assert all(done.contents()[name] == digest for name, digest in plain.contents().items() if name in done.contents())
    assert done.statement()


@pytest.mark.slow
def test_a_reference_and_losses_give_any_number_of_workers_the_same(tars, clean, losses):
    said = {"reference": clean, "losses": losses}
    one, two = (scan(str(tars), LOSSES, way=Way(workers=n, group=300), **said) for n in (1, 2))
    assert same(one.json(), two.json())


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_first_other_byte_ends_a_scan_of_attested_data_before_anything_is_decoded(signed, tmp_path, workers):
    data, known, _ = signed
    file = data / "train-0003.tar"
    content = bytearray(file.read_bytes())
    content[600] ^= 255
    file.write_bytes(content)
    way = Way(workers=workers, folder=tmp_path / "kept")
    with pytest.raises(VerificationError, match=r"train-0003\.tar.*is not the signed one.*whitesquare verify"):
        scan(str(data), FREE, attested=known, way=way)
    assert not (way.folder / "pixels").exists()


def test_what_changes_after_it_was_held_against_the_manifest_is_not_scanned(signed):
    data, known, _ = signed
    file = data / "train-0002.tar"
    state = file.stat()

    def change(step, done, total):
        if (step, done) == ("reading shards", 0):
            content = bytearray(file.read_bytes())
            content[600] ^= 255
            file.write_bytes(content)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(DataError, match="was changed since it was listed"):
        scan(str(data), FREE, attested=known, way=Way(), on_progress=change)


def test_attested_arrays_are_hashed_as_they_are_decoded(poisoned, tmp_path):
    images, labels, _ = poisoned
    dataset = from_arrays(images, labels, classes=NAMES)
    (tmp_path / "trust").mkdir()
    ws.attest(dataset, [key_pair(tmp_path / "trust" / "carol", secrets=tmp_path / "secret")], tmp_path / "signed")
    known = read_attested(tmp_path / "signed" / BUNDLE, load_trusted(tmp_path / "trust"), utc_now())
    done = scan(dataset, FREE, attested=known, way=Way(group=300))
    assert done.attested.consumed.root == known.signed.predicate.splits["train"].root
    other = images.copy()
    other[7, 0, 0, 0] ^= 1
    with pytest.raises(VerificationError, match="is not the signed one"):
        scan(from_arrays(other, labels, classes=NAMES), FREE, attested=known, way=Way(group=300))


def test_a_reference_is_brought_to_the_size_of_attested_objects(tmp_path):
    def pictures(seed, side):
        rng = np.random.default_rng(seed)
        found = [rng.integers(0, 256, (side + i % 3, side), np.uint8) for i in range(60)]
        return [(Image.fromarray(one), i % 2) for i, one in enumerate(found)]

    (tmp_path / "trust").mkdir()
    signer = key_pair(tmp_path / "trust" / "carol", secrets=tmp_path / "secret")
    known = {}
    for name, some in (("data", pictures(0, 20)), ("clean", pictures(1, 40))):
        ws.attest(some, [signer], tmp_path / name)
        trusted = load_trusted(tmp_path / "trust")
        known[name] = some, read_attested(tmp_path / name / BUNDLE, trusted, utc_now())
    (data, attested), (clean, vouched) = known["data"], known["clean"]
    done = scan(data, FREE, reference=clean, attested=attested, reference_attested=vouched, way=Way())
    assert done.scan.result.reference_size == 60


def test_the_command_takes_them_in_shards(signed, losses, tmp_path):
    data, _, _ = signed
    trusted = ("--attested", tmp_path / "signed" / BUNDLE, "--trust", tmp_path / "trust", "--workers", 1)
    asked = ("-m", "whitesquare.cli", "scan", data, "--model-free", "--detectors", "noise-residual")
    done = python(*asked, *trusted, "--losses", losses)
    assert done.returncode == 3, done.stderr  # it only ranks
    (data / "train-0001.tar").unlink()
    done = python(*asked, *trusted)
    assert done.returncode == 1
    assert "is missing" in " ".join(done.stderr.split())


@pytest.mark.long
def test_models_of_the_scan_s_own_are_not_trained_again(poisoned, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    images, labels, _ = poisoned
    settings = ScanSettings(detectors=("pixel-contrast", "spectral-signatures", "loss-isolation"))
    way = Way(group=500, folder=tmp_path / "kept")
    dataset = from_arrays(images, labels, classes=NAMES)
    first = scan(dataset, settings, way=way)

    def never(*_, **__):
        raise AssertionError("it was trained again")

    with monkeypatch.context() as patch:
        patch.setattr("whitesquare.scanning.model.train_scan_models", never)
        patch.setattr("whitesquare.scanning.gather.held_out", never)
        again = scan(dataset, settings, way=way)
    assert same(again.json(), first.json())
    (weights, *_) = (way.folder / "trained").glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert same(scan(dataset, settings, way=way).json(), first.json())


@pytest.fixture(scope="module")
def probabilities(poisoned):
    """What models that had not seen a sample may say of it: mostly its label, and of one class often another."""
    _, labels, _ = poisoned
    rng = np.random.default_rng(2)
    strange = (labels == 1) & (rng.random(len(labels)) < 0.2)
    logits = rng.normal(0, 1, (len(labels), 5))
    logits[np.arange(len(labels)), np.where(strange, 3, labels)] += 4
    found = np.exp(logits)
    return (found / found.sum(1, keepdims=True)).astype(np.float32), strange


def test_labels_are_checked_in_shards_exactly_as_at_once(tars, probabilities, tmp_path):
    stored, strange = probabilities
    asked = ScanSettings(detectors=("confident-learning", "noise-residual"))
    np.save(tmp_path / "p.npy", stored)
    plain = scan(str(tars), asked, pred_probs=stored).scan
    way = Way(group=300, folder=tmp_path / "kept")
    sharded = scan(str(tars), asked, pred_probs=np.load(tmp_path / "p.npy", mmap_mode="r"), way=way).scan
    scores = plain.scores.by_detector["confident-learning"]
    assert np.array_equal(sharded.scores.by_detector["confident-learning"], scores)
    assert scores[strange].min() > np.quantile(scores[~strange], 0.95)
    for one, other in zip(plain.result.classes, sharded.result.classes, strict=True):
        assert one.statistics["confident-learning"] == other.statistics["confident-learning"]
    assert sharded.result.learned == plain.result.learned
    assert sharded.result.sharding.whole == ("noise-residual", "confident-learning")
    before = places(way.folder, "labels")
    again = scan(str(tars), asked, pred_probs=stored, way=way)
    assert again.scan.scores.fused.tolist() == sharded.scores.fused.tolist()
    assert places(way.folder, "labels") == before


def test_given_features_are_scored_in_every_group_as_at_once(tars, probabilities, tmp_path):
    stored, strange = probabilities
    features = np.random.default_rng(3).normal(0, 1, (900, 6)).astype(np.float32)
    features[strange, 2] += 12
    np.save(tmp_path / "f.npy", features)
    asked = ScanSettings(detectors=("spectral-signatures", "confident-learning", "noise-residual"))
    plain = scan(str(tars), asked, features=features, pred_probs=stored).scan
    given = {"features": np.load(tmp_path / "f.npy", mmap_mode="r"), "pred_probs": stored}
    once = scan(str(tars), asked, **given, way=Way()).scan
    parts = scan(str(tars), asked, **given, way=Way(group=300, folder=tmp_path / "kept")).scan
    scores = [one.scores.by_detector["spectral-signatures"] for one in (plain, once, parts)]
    assert np.allclose(scores[1], scores[0], rtol=0.01, atol=0.01)  # features in half precision
    for found in scores:
        assert found[strange].min() > np.quantile(found[~strange], 0.95)
    checked = [one.scores.by_detector["confident-learning"] for one in (plain, parts)]
    assert np.array_equal(*checked)
    with pytest.raises(UsageError, match="features is an array"):
        scan(str(tars), asked, features=features[1:], way=Way())
    features[7, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        scan(str(tars), asked, features=features, way=Way())


def test_what_are_no_probabilities_is_refused_in_shards(tars):
    for wrong, said in (
        (np.full((899, 5), 0.2), "one row for each of the 900 samples"),
        (np.full((900, 5), 0.5), "holds no probabilities"),
        (np.full((900, 4), 0.25), "one for each of the 5 classes"),
    ):
        with pytest.raises((UsageError, DataError), match=said):
            scan(str(tars), FREE, pred_probs=wrong, way=Way())


@given(st.integers(2, 5), st.integers(1, 40), st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=40, deadline=None)
def test_the_confident_joint_is_the_same_of_any_parts_in_any_order(classes, count, seed, data):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    stored = rng.dirichlet(np.ones(classes), count).astype(np.float32)
    at = sorted(data.draw(st.lists(st.integers(0, count), max_size=3)))
    parts = [slice(a, b) for a, b in zip([0, *at], [*at, count], strict=True)]
    once = OwnShares.of(stored, labels)
    usual = OwnShares(*np.zeros((2, classes), np.int64))
    for part in data.draw(st.permutations(parts)):
        usual = usual.merged(OwnShares.of(stored[part], labels[part]))
    assert (usual.sums.tolist(), usual.sizes.tolist()) == (once.sums.tolist(), once.sizes.tolist())
    scores, joint = judged_by(stored, labels, once)
    pieces = [judged_by(stored[part], labels[part], usual) for part in parts]
    assert np.array_equal(np.concatenate([scored for scored, _ in pieces]), scores)
    assert np.array_equal(sum(counted for _, counted in pieces), joint)
    # As the paper has it, with thresholds that are means of floating-point numbers.
    means = [
        stored[labels == j, j].astype(np.float64).mean() if (labels == j).any() else np.inf for j in range(classes)
    ]
    rows, expected = np.arange(count), np.zeros((classes, classes), np.int64)
    sure = stored >= np.array(means) - 1e-9
    best = np.where(sure, stored, -1).argmax(1)
    np.add.at(expected, (labels[sure.any(1)], best[sure.any(1)]), 1)
    assert np.abs(expected - joint).sum() == 0 or np.abs(stored[rows, best] - np.array(means)[best]).min() < 1e-6
