"""Contract tests for your own data sets, sources, classifiers, triggers, attacks and detectors, for your test suite.

Each ``check_`` function returns nothing and raises :class:`~whitesquare.errors.ContractError` with the promise that
was broken. whitesquare runs the same checks on everything it registers.
"""

from dataclasses import fields
from pathlib import Path

import numpy as np

from whitesquare._base.promises import refuse_unless as _require
from whitesquare.attacks import poison
from whitesquare.attacks.contract import require_attack
from whitesquare.attacks.selection import RANDOM, selection_of
from whitesquare.data.batches import as_shape
from whitesquare.data.layouts import is_plain
from whitesquare.detectors.contract import require_detector, require_suspicion
from whitesquare.detectors.mergeable import Mergeable, Summarised
from whitesquare.detectors.types import Detector, Evidence, Suspicion
from whitesquare.plugins import admit_source
from whitesquare.records import silent
from whitesquare.triggers import parse_trigger
from whitesquare.types import (
    Attack,
    Classifier,
    DatasetSource,
    Differentiable,
    Encoded,
    Fittable,
    FloatArray,
    ImageDataset,
    OnePass,
    Trigger,
    UInt8Array,
)

_CLOSE = 1e-3
"""Share of the largest answer by which the size of a batch may change one: sums are made in another order."""
_STEP = 0.01
"""How far pixels are moved along a gradient, all together, to see whether it is one."""


def check_trigger(trigger: Trigger, shape: tuple[int, int, int] = (1, 28, 28)) -> None:
    """Check a trigger on random and extreme images of ``shape`` ``(C, H, W)``.

    It must keep shape and dtype, leave its argument alone, give the same result twice, treat every image of a batch
    by itself, accept an empty batch, and change something.
    """
    noise = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    images = np.concatenate([noise, np.zeros((1, *shape), np.uint8), np.full((1, *shape), 255, np.uint8)])
    before = images.copy()
    stamped = trigger(images)
    _require(np.array_equal(images, before), trigger, "must not write into the images it is given")
    _require(stamped.dtype == np.uint8, trigger, f"must return uint8; got {stamped.dtype}")
    _require(stamped.shape == images.shape, trigger, f"must keep the shape {images.shape}; got {stamped.shape}")
    _require(np.array_equal(stamped, trigger(images)), trigger, "must give the same result every time")
    singly = np.concatenate([trigger(images[i : i + 1]) for i in range(len(images))])
    _require(np.array_equal(stamped, singly), trigger, "must treat every image of a batch by itself")
    _require(trigger(images[:0]).shape == (0, *shape), trigger, "must accept an empty batch")
    _require(not np.array_equal(stamped, images), trigger, "must change something")


def check_dataset(dataset: ImageDataset) -> None:
    """Check that a data set of at least one image keeps the promises of :class:`~whitesquare.types.ImageDataset`."""
    size = len(dataset.ids)
    _require(size > 0, dataset, "needs at least one image to be checked")
    _require(len(set(dataset.ids)) == size, dataset, "must have unique ids")
    odd = [name for name in (*dataset.ids, *dataset.classes) if not is_plain(name)]
    _require(not odd, dataset, f"must have names that can be printed; got {odd[:1]}")
    _require(dataset.labels.shape == (size,), dataset, f"must have one label per id; got {dataset.labels.shape}")
    _require(dataset.labels.dtype == np.int64, dataset, f"must have int64 labels; got {dataset.labels.dtype}")
    in_range = (dataset.labels >= 0) & (dataset.labels < len(dataset.classes))
    _require(bool(in_range.all()), dataset, f"must have labels in 0..{len(dataset.classes) - 1}")
    _require(len(set(dataset.classes)) == len(dataset.classes), dataset, "must have unique class names")
    _require(isinstance(dataset.kind, str) and bool(dataset.kind), dataset, "must say of what kind it is")
    few = np.unique(np.linspace(0, size - 1, 5).astype(np.int64))
    images = dataset.images(few)
    _require(images.dtype == np.uint8 and images.ndim == 4, dataset, "must give uint8 images of shape (B, C, H, W)")
    _require(len(images) == len(few), dataset, "must give one image per position asked for")
    _require(
        images.shape[1:] == tuple(dataset.shape), dataset, f"must have images of its shape; got {images.shape[1:]}"
    )
    parts = list(dataset.batches(2))
    covered = [i for part, _ in parts for i in range(size)[part]]
    _require(covered == list(range(size)), dataset, "must give every image once and in order in its batches")
    batched = np.concatenate([batch for _, batch in parts])[few]
    _require(np.array_equal(batched, images), dataset, "must give the same images in its batches")
    backwards = dataset.images(few[::-1].copy())
    _require(np.array_equal(backwards[::-1], images), dataset, "must give the images in the order asked for")
    for position, image in zip(few.tolist(), images, strict=True):
        sliced = dataset.images(slice(position, position + 1))
        _require(np.array_equal(sliced[0], image), dataset, "must give the same image by slice and by position")
        content = dataset.content(position)
        _require(isinstance(content, bytes) and len(content) > 0, dataset, "must give the content as bytes")
        _require(content == dataset.content(position), dataset, "must give the same content every time")
        if isinstance(dataset, Encoded):
            again = dataset.decode(position, content)
            _require(np.array_equal(again, image), dataset, "must decode an image from its content")
            _require(sorted(dataset.header(position)) == sorted(image.shape), dataset, "must announce its shape")
    _require(dataset.images(few[:0]).shape == (0, *images.shape[1:]), dataset, "must accept an empty index")


def check_source(source: DatasetSource, location: str, split: str = "train") -> None:
    """Check a data source on a data set of its kind at ``location``, a path or name.

    It must have a name, recognise that place and no other, leave it as it is, and open the same data set every time.
    """
    admit_source(lambda: source)
    _require(source.recognises(location) is True, source, f"must recognise {location!r} and say True")
    nowhere = f"{location}-that-is-not-there"
    _require(source.recognises(nowhere) is False, source, f"must not recognise {nowhere!r}, and say False")
    _require(split in source.splits(location), source, f"must say that there is a {split} split")
    before = _listing(location)
    first, again = source.open(location, split), source.open(location, split)
    check_dataset(first)
    same = list(first.ids) == list(again.ids) and first.classes == again.classes
    _require(same and np.array_equal(first.labels, again.labels), source, "must open the same data set every time")
    ends = np.array([0, len(first.ids) - 1])
    same = np.array_equal(first.images(ends), again.images(ends))
    _require(same, source, "must give the same images every time")
    _require(_listing(location) == before, source, "must not write where it reads")


def _listing(location: str) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file at a place; nothing for a name."""
    root = Path(location)
    found = {str(path): path.stat() for path in (root, *root.rglob("*")) if path.exists()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}


def check_classifier(classifier: Classifier, images: UInt8Array) -> None:
    """Ask a classifier about at least two ``images`` ``(B, C, H, W)`` and check everything that it promises.

    Logits and features must have their shapes, be float32 and finite, repeat themselves, and be those of each image by
    itself whatever it is asked together with, to a thousandth; it must accept an empty batch and leave the images as
    they are. What it has in addition (``answers``, ``gradients``, ``fit``) is checked where it has it.
    """
    count, classes = len(images), len(classifier.classes)
    _require(count >= 2, classifier, "needs at least two images to be checked")
    _require(bool(classifier.device) and bool(classifier.feature_layer), classifier, "must name device and features")
    before = images.copy()
    logits, features = classifier.logits(images), classifier.features(images)
    _require(logits.shape == (count, classes), classifier, f"must give logits (B, {classes}); got {logits.shape}")
    _require(features.ndim == 2 and len(features) == count, classifier, f"must give (B, D) features; {features.shape}")
    for name, ask, found in (("logits", classifier.logits, logits), ("features", classifier.features, features)):
        _require(found.dtype == np.float32, classifier, f"must give {name} as float32; got {found.dtype}")
        _require(bool(np.isfinite(found).all()), classifier, f"must give finite {name}")
        _require(np.array_equal(found, ask(images)), classifier, f"must give the same {name} every time")
        singly = np.concatenate([ask(images[i : i + 1]) for i in range(count)])
        _require(_alike(singly, found), classifier, f"must give the {name} of each image of a batch by itself")
        empty = ask(images[:0])
        _require(empty.shape == (0, found.shape[1]), classifier, f"must accept an empty batch; {name} {empty.shape}")
    if isinstance(classifier, OnePass):
        both = classifier.answers(images)
        same = _alike(both[0], features) and _alike(both[1], logits)
        _require(same, classifier, "must give the same answers at once as one by one")
    if isinstance(classifier, Differentiable):
        _check_gradients(classifier, images)
    if isinstance(classifier, Fittable):
        other = classifier.fit(images, np.arange(count, dtype=np.int64) % classes, 0)
        _require(other.logits(images).shape == logits.shape, classifier, "must fit a classifier of the same classes")
        same = np.array_equal(logits, classifier.logits(images))
        _require(same, classifier, "must stay as it is when it fits another")
    _require(np.array_equal(images, before), classifier, "must not write into the images it is given")


def check_attack(attack: Attack, dataset: ImageDataset, *, target: int, count: int) -> None:
    """Poison ``count`` samples of ``dataset`` and check everything an attack promises.

    It must be a frozen dataclass with a name, repeat itself for the same seed, choose other samples for another seed
    (unless it selects them otherwise than by chance), keep labels if it says so and set them to the target if not,
    stay in its budget (``poison`` checks that), leave the data set and all other samples alone, and name, in its
    manifest, triggers that keep their own contract.
    """
    require_attack(attack)
    everything = slice(None)
    images, labels = dataset.images(everything).copy(), dataset.labels.copy()
    first, again, other = (poison(dataset, attack, target=target, count=count, seed=seed) for seed in (0, 0, 1))
    same = np.array_equal(first.dataset.images(everything), again.dataset.images(everything))
    _require(same and first.manifest == again.manifest, attack, "must repeat itself for the same seed")
    others = first.manifest.ids != other.manifest.ids or selection_of(attack) != RANDOM
    _require(others, attack, "must choose other samples for another seed")
    unchanged = np.array_equal(dataset.images(everything), images) and np.array_equal(dataset.labels, labels)
    _require(unchanged, attack, "must not change the data set it is given")
    check_trigger(parse_trigger(first.manifest.trigger), images.shape[1:])
    stamped = parse_trigger(first.manifest.training_trigger)(first.content)
    poisons = first.dataset.images(first.dataset.positions)
    _require(np.array_equal(stamped, poisons), attack, "must stamp the training trigger its manifest names")
    _check_poison(attack, images, labels, first.dataset, target, set(first.manifest.ids), count)


def check_detector(detector: Detector, evidence: Evidence) -> None:
    """Score ``evidence`` twice and check everything a detector promises.

    It must be a frozen dataclass with a name, a rule and a family, say what it needs, leave the evidence alone, repeat
    itself, and give one score per sample and one statistic per class: float32, finite, or NaN for "not scored".
    """
    require_detector(detector)
    _require(detector.needs <= evidence.has, detector, f"needs {', '.join(sorted(detector.needs - evidence.has))}")
    before = {
        item.name: np.array(value) for item in fields(evidence) if _is_array(value := getattr(evidence, item.name))
    }
    first, again = detector.score(evidence), detector.score(evidence)
    for name, value in before.items():
        _require(np.array_equal(getattr(evidence, name), value), detector, f"must not write into the {name}")
    require_suspicion(detector, first, evidence)
    for name in ("scores", "class_stats"):
        same = np.array_equal(getattr(first, name), getattr(again, name), equal_nan=True)
        _require(same, detector, f"must give the same {name} every time")
    _check_in_parts(detector, evidence, first)


def _check_in_parts(detector: Detector, evidence: Evidence, once: Suspicion) -> None:
    """Hold what a detector says of samples that it is shown in parts against what it says of all at once."""
    images, labels, kinds = evidence.images, evidence.labels, len(evidence.classes)
    parts = [slice(len(labels) // 3, None), slice(0, len(labels) // 3)]
    found: Suspicion | None = None
    if isinstance(detector, Summarised):
        numbers = np.concatenate([detector.numbers(images[part]) for part in parts[::-1]])
        found = detector.judged(numbers, labels, evidence.classes, silent)
    elif isinstance(detector, Mergeable) and (bands := detector.bands(as_shape(images.shape), kinds)):
        best = np.zeros(len(labels), np.float32)
        for band in bands:
            one, other = (detector.accumulate(None, band, images[part], labels[part], kinds) for part in parts)
            sizes = np.bincount(labels, minlength=kinds)
            known = detector.finish(detector.merge(one, other), band, sizes)
            np.maximum(best, detector.apply(known, band, images[:], labels), out=best)
        found = detector.conclude(best, labels, evidence.classes)
    for name in ("scores", "class_stats") if found is not None else ():
        same = np.array_equal(getattr(found, name), getattr(once, name), equal_nan=True)
        _require(same, detector, f"must give the same {name} of all samples as of parts that are put together")


def _check_gradients(classifier: Differentiable, images: UInt8Array) -> None:
    """Compare the gradient of the first logit with what the logit does along it."""
    pixels = np.divide(images, 255, dtype=np.float32)
    before, seen = pixels.copy(), list[FloatArray]()

    def first(logits: FloatArray) -> FloatArray:
        seen.append(logits.copy())
        slope = np.zeros_like(logits)
        slope[:, 0] = 1
        return slope

    found = classifier.gradients(pixels, first)
    _require(found.shape == pixels.shape, classifier, f"must give gradients {pixels.shape}; got {found.shape}")
    _require(found.dtype == np.float32, classifier, f"must give gradients as float32; got {found.dtype}")
    _require(np.array_equal(pixels, before), classifier, "must not write into the pixels it is given")
    length = float(np.linalg.norm(found))
    step = np.float32(_STEP / length) if length else np.float32(0)
    for side in (1, -1):
        moved: FloatArray = pixels + np.float32(side) * step * found
        classifier.gradients(moved, first)
    rise, expected = float((seen[1] - seen[2])[:, 0].sum(dtype=np.float64)), 2 * _STEP * length
    _require(abs(rise - expected) <= 0.2 * expected + 1e-4, classifier, "must give the gradients of its logits")


def _alike(one: FloatArray, other: FloatArray) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= _CLOSE * max(1.0, np.abs(other).max()))


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)


def _check_poison(
    attack: Attack,
    images: UInt8Array,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    poisoned: ImageDataset,
    target: int,
    ids: set[str],
    count: int,
) -> None:
    chosen = np.array([name in ids for name in poisoned.ids])
    after = poisoned.images(slice(None))
    _require(int(chosen.sum()) == count == len(ids), attack, f"must poison {count} different samples")
    _require(np.array_equal(after[~chosen], images[~chosen]), attack, "must leave all other samples alone")
    _require(bool((poisoned.labels[chosen] == target).all()), attack, "must leave every poison with the target label")
    _require(np.array_equal(poisoned.labels[~chosen], labels[~chosen]), attack, "must leave all other labels alone")
    changed = int((poisoned.labels != labels).sum())
    expected = 0 if attack.clean_label else count
    _require(changed == expected, attack, f"must change {expected} labels; changed {changed}")
