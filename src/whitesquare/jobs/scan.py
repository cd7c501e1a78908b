"""Scanning as a user asks for it: the data are opened, hashed while they are read, scanned, and spoken for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whitesquare.data import held, open_dataset, readable_part
from whitesquare.data.cache_size import CacheSize, asked_size, usual_size
from whitesquare.data.names import Data, named
from whitesquare.data.part import Part
from whitesquare.data.sized import beside
from whitesquare.detectors.registry import DETECTORS
from whitesquare.errors import UsageError
from whitesquare.executor.engine import Way
from whitesquare.jobs.scan_shards import FoundInShards, scan_shards
from whitesquare.jobs.scanned import Scanned
from whitesquare.learning.asking import Asking
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.provenance.attested import Attested
from whitesquare.provenance.consumed import Reading
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.provenance.evidence import ReferenceRecord
from whitesquare.records import OnNote, PoisonManifest, Progress, silent, unheard
from whitesquare.scanning.brought_files import read_brought
from whitesquare.scanning.findings import check_truth
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import DEFAULT, ScanSettings
from whitesquare.scanning.sharded.extras import Extras
from whitesquare.scanning.signed import AttestedScan, reference_record
from whitesquare.signing.keys import Signer
from whitesquare.types import FloatArray, ImageDataset

if TYPE_CHECKING:  # a model-free scan works without PyTorch
    from torch import Tensor

    from whitesquare.learning.given import Given

BY_DEFAULT = ScanSettings()


@dataclass(frozen=True)
class _How:
    """How a data set is read."""

    skip_unreadable: bool
    cache: CacheSize
    on_progress: Progress
    on_note: OnNote


@dataclass(frozen=True)
class _Read:
    dataset: ImageDataset
    reading: Reading | None
    skipped: dict[str, str]
    left_out: tuple[int, ...] = ()


@own_surroundings()
def scan(
    data: Data,
    settings: ScanSettings = BY_DEFAULT,
    *,
    model: "Given | None" = None,
    weights: str | Path | None = None,
    preprocess: "str | Path | Mapping[str, Any] | Callable[[Tensor], Tensor] | None" = None,
    layer: str | None = None,
    features: FloatArray | str | Path | None = None,
    pred_probs: FloatArray | str | Path | None = None,
    reference: Data | None = None,
    losses: str | Path | None = None,
    truth: PoisonManifest | None = None,
    skip_unreadable: bool = False,
    size: int | None = None,
    fit: str | None = None,
    attested: Attested | None = None,
    reference_attested: Attested | None = None,
    signer: Signer | None = None,
    cache_size: str | None = None,
    way: Way | None = None,
    on_progress: Progress = silent,
    on_note: OnNote = unheard,
) -> Scanned:
    """Scan a training set for poison.

    Args:
        data: the training set: its name, its path, or an object; see :func:`whitesquare.data.open_dataset`.
        settings: how.
        model: a model trained on it: its name or path, a model of ours, a network, or any classifier; ``None`` trains
            the scan's own. See ``docs/models.md``.
        weights: a safetensors file, for a model whose name says only how it is built.
        preprocess: what the model expects of its input beside float images in [0, 1]: a
            :class:`~whitesquare.learning.preprocess.Preprocess`, the TOML file of one or the same as a dict, or a
            function of a tensor.
        layer: name of the layer whose output its features are; ``None`` for what its last linear layer is given.
        features: ``(N, D)`` numbers that a model of yours makes of the samples, in the order of the data set, or a file
            of them (``.npy``, ``.npz``, CSV or Parquet; see :func:`whitesquare.scanning.brought_files.read_brought`).
            The detectors that read features use them; no model is trained, so nothing can be confirmed.
        pred_probs: ``(N, K)`` probabilities of the classes, by models that had not seen the sample; likewise. Columns
            are in the order of the labels; those of a table are found by the names of the classes.
        reference: samples said to be clean: p-values are computed against them, and they decide nothing else.
        losses: what a training on it recorded: the file of a :class:`whitesquare.LossRecorder`, or a Parquet file with
            ``id``, ``epoch`` and ``loss``. Detectors of trajectories read it, with or without a model.
        truth: ground truth; only used to measure the ranking, never to find anything.
        skip_unreadable: leave files out that cannot be read, and name them, instead of stopping.
        size: both sides that image files are brought to; see :func:`whitesquare.data.open_dataset`.
        fit: how; likewise.
        attested: stop at the first sample that is not this one.
        reference_attested: the same for the reference.
        signer: signs what was found; needs ``attested``.
        way: scan it in shards, in bounded memory: where they are read, and what is kept; see
            :class:`whitesquare.executor.engine.Way` and ``docs/scale.md``. ``None`` holds all images.
        on_progress: told how far each step is.
        cache_size: the most that decoded images may take in a temporary file, such as ``20G``, where they are more than
            256 MiB; what finds no room is decoded again each time. ``None`` is half of what is free there.
        on_note: told at once how well a given model reads some of the samples, and where decoded images are kept.

    Raises:
        UsageError: a model or a reference that does not fit, no recorded losses, a signer without attested data, or
            attested data with a reference that nobody answers for.
        DataError: an image that cannot be read, or losses of other data.
        VerificationError: a sample is not the attested one.
        NothingToDoError: no images, or images of one class only.

    Example:
        >>> import whitesquare as ws
        >>> from whitesquare.scanning.settings import ScanSettings
        >>> found = ws.scan("photos/", ScanSettings(model_free=True))
        >>> found.verdict, [alarm.class_name for alarm in found.alarms]
        ('suspicious', ['0'])
    """
    _refuse_unattested(signer, attested, reference, reference_attested)
    asking = _asking(model, weights, preprocess, layer)
    if model is not None and not (features is None and pred_probs is None):
        raise UsageError("Give the model, which is asked for its own, or features and pred_probs; not both.")
    opened = _opened(data, attested, size, fit, on_progress)
    check_truth(opened.ids, truth)  # which its ranking is measured by at the very end
    features = _rows("features", features, opened, None)
    pred_probs = _rows("pred_probs", pred_probs, opened, opened.classes)
    how = _How(skip_unreadable, usual_size() if cache_size is None else asked_size(cache_size), on_progress, on_note)
    clean = None if reference is None else _Trusted(reference, reference_attested, size, fit, how)
    recording = None if losses is None else Path(losses)
    if way is not None:
        extras = _extras(clean, recording, attested, features, pred_probs)
        asked = " ".join(str(one) for one in (size, fit) if one is not None)
        told = (truth, skip_unreadable, asked, on_progress, on_note)
        return _in_shards(scan_shards(opened, data, settings, way, extras, asking, *told), clean, attested, signer)
    read = _read(opened, named(data), attested, how)
    trusted = None if clean is None else clean.beside(opened)
    skipped = read.skipped | (clean.skipped if clean else {})
    work = None
    if attested is not None and read.reading is not None:
        consumed = read.reading.consumed(read.dataset.ids)
        work = AttestedScan(read.reading, consumed, attested.signed.sha256, signer, clean.record if clean else None)
    found = run_scan(
        read.dataset,
        settings,
        source=named(data),
        model=asking,
        features=_kept(features, read.dataset, opened),
        pred_probs=_kept(pred_probs, read.dataset, opened),
        reference=trusted,
        losses=recording,
        truth=truth,
        skipped=skipped,
        left_out=read.left_out,
        on_progress=on_progress,
        on_note=on_note,
    )
    return Scanned(found, read.dataset, attested=work)


def _refuse_unattested(
    signer: Signer | None, attested: Attested | None, reference: Data | None, reference_attested: Attested | None
) -> None:
    if signer is not None and attested is None:
        raise UsageError("The statement of a scan says which attested data was scanned; give the attestation as well.")
    if attested is not None and reference is not None and reference_attested is None:
        raise UsageError("The data are attested and the reference is not; give its attestation, or leave it out.")


def _rows(
    name: str, given: FloatArray | str | Path | None, dataset: ImageDataset, classes: Sequence[str] | None
) -> FloatArray | None:
    """Return what was given for each sample of a data set, read from its file if it is one."""
    return read_brought(name, Path(given), dataset, classes) if isinstance(given, str | Path) else given


def _kept(rows: FloatArray | None, part: ImageDataset, opened: ImageDataset) -> FloatArray | None:
    """Return the rows of the samples that were read, where there are some of those left out, too."""
    # What was given with its images held is read as it is, and its positions are those in what it is a part of.
    if rows is None or part is opened or not isinstance(part, Part) or len(rows) != len(opened.labels):
        return rows
    return np.asarray(rows)[part.positions] if np.ndim(rows) == 2 else rows


class _Trusted:
    """Samples said to be clean, read once it is known in which size."""

    def __init__(self, source: Data, attested: Attested | None, size: int | None, fit: str | None, how: _How) -> None:
        self.source = source
        self._attested, self._how = attested, how
        self._opened = _opened(source, attested, size, fit, how.on_progress)
        self.skipped: dict[str, str] = {}
        self.record: ReferenceRecord | None = None

    def beside(self, dataset: ImageDataset) -> ImageDataset:
        """Read them in the size of a data set."""
        read = _read(beside(self._opened, dataset), named(self.source), self._attested, self._how)
        self.skipped = {f"reference/{name}": reason for name, reason in read.skipped.items()}
        if self._attested is not None and read.reading is not None:
            self.record = reference_record(read.reading.consumed(read.dataset.ids), self._attested.signed)
        return read.dataset


def _extras(
    clean: _Trusted | None,
    losses: Path | None,
    attested: Attested | None,
    features: FloatArray | None,
    pred_probs: FloatArray | None,
) -> Extras:
    """Return what a scan in shards is given beside its data."""
    signed = None if attested is None else attested.signed
    told = {
        "reference": named(clean.source) if clean is not None else "none",
        "losses": str(losses.absolute()) if losses is not None else "none",
        "attested": signed.sha256 if signed is not None else "no",
        "features": "none" if features is None else "given",
        "probabilities": "none" if pred_probs is None else "given",
    }
    return Extras(None if clean is None else clean.beside, losses, signed, pred_probs, features, told)


def _in_shards(
    found: FoundInShards, clean: _Trusted | None, attested: Attested | None, signer: Signer | None
) -> Scanned:
    scan, work = found.scan, None
    if clean is not None and clean.skipped:
        scan = replace(scan, result=replace(scan.result, skipped=scan.result.skipped | clean.skipped))
    if attested is not None and found.reading is not None and found.consumed is not None:
        record = clean.record if clean is not None else None
        work = AttestedScan(found.reading, found.consumed, attested.signed.sha256, signer, record)
    return Scanned(scan, found.dataset, found.contents, work)


def chosen_detectors(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the detectors that are meant by their names, ``default`` and ``all``, each once.

    Raises:
        UsageError: none is.
    """
    groups = {"default": DEFAULT, "all": tuple(DETECTORS)}
    if not asked:
        raise UsageError("--detectors names none; write default, all, or names separated by commas.")
    return tuple(dict.fromkeys(name for item in asked for name in groups.get(item, (item,))))


def _asking(
    model: "Given | None",
    weights: str | Path | None,
    preprocess: "str | Path | Mapping[str, Any] | Callable[[Tensor], Tensor] | None",
    layer: str | None,
) -> Asking | None:
    if model is not None:
        return Asking(model, weights, preprocess, layer)
    if weights is not None or preprocess is not None or layer is not None:
        raise UsageError("weights, preprocess and layer say how a model is asked, and none is given; give it as model.")
    return None


def _opened(
    source: Data,
    attested: Attested | None,
    size: int | None,
    fit: str | None,
    on_progress: Progress,
) -> ImageDataset:
    if attested is not None and isinstance(source, str | Path):
        expect_sizes(str(source), attested.signed)
    return open_dataset(source, size=size, fit=fit, on_progress=on_progress)


def _read(dataset: ImageDataset, name: str, attested: Attested | None, how: _How) -> _Read:
    """Read the training split with its images decoded, hashed on the way if attested."""
    reading = Reading(dataset, "train", attested.signed) if attested is not None else None
    dataset = reading.dataset if reading is not None else dataset
    if how.skip_unreadable:
        part, skipped = readable_part(dataset, name, how.on_progress, cache=how.cache, on_note=how.on_note)
        left_out = np.bincount(dataset.labels, minlength=len(part.classes)) - np.bincount(
            part.labels, minlength=len(part.classes)
        )
        return _Read(part, reading, skipped, tuple(left_out.tolist()))
    return _Read(held(dataset, how.on_progress, cache=how.cache, on_note=how.on_note), reading, {})
