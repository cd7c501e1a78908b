"""Data sets that come as objects, a user's own among them: every sample by the content that it gives."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from heapq import merge
from typing import TYPE_CHECKING

from whitesquare.data.forms import opened_splits
from whitesquare.data.names import Data, check_names
from whitesquare.data.sources.objects.splits import splits_in
from whitesquare.data.traits.told import traits_in
from whitesquare.errors import DataError, UsageError, require_extra
from whitesquare.provenance.container_rows import SampleRow
from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.pixels import digest_of_pixels
from whitesquare.provenance.types import Content
from whitesquare.records import Progress, silent

if TYPE_CHECKING:  # they need NumPy
    from whitesquare.types import ImageDataset

_BATCH = 4096
FILES, PIXELS = "files", "pixels"
"""Kinds of :class:`~whitesquare.provenance.types.Content`."""


def splits_of(source: object) -> Mapping[str, "ImageDataset"]:
    """Return data sets by split, in the order of :data:`~whitesquare.data.layouts.SPLITS`.

    Raises:
        UsageError: there is none, a split is unknown, or an object is no data set.
    """
    from whitesquare.data import open_dataset
    from whitesquare.data.sized import unsized

    if isinstance(source, Mapping) and not source:
        raise UsageError("There is no data set to list; give the training split.")
    return {split: unsized(open_dataset(source, split)) for split in splits_in(source) or ("train",)}


def told_of(splits: Mapping[str, "ImageDataset"]) -> tuple[str, ...]:
    """Return what data sets say of themselves, each sentence once."""
    from whitesquare.data import notes

    return tuple(dict.fromkeys(note for dataset in splits.values() for note in notes(dataset)))


def signed_of(content: Content) -> str:
    """Say what is signed of each sample of an object."""
    what = "its pixels" if content.kind == PIXELS else "the bytes of its image, or its pixels where it has no file,"
    return f"Signed of each sample: {what} with its id and its label."


def opened_tables(source: Data) -> Data:
    """Open a data set that is signed sample by sample, which is listed as an object is; return any other as it is.

    Raises:
        UsageError: there is no such data set.
        DataError: it cannot be read.
        MissingDependencyError: there is no NumPy.
    """
    if not isinstance(source, str) or not (splits := opened_splits(source)):
        return source
    require_extra("numpy", "scan", "a data set of this kind")
    from whitesquare.data import open_dataset

    return {split: open_dataset(source, split) for split in splits}


def content_kind(dataset: "ImageDataset") -> str:
    """Tell whether the content of samples is files, from which images are decoded, or the pixels themselves."""
    from whitesquare.types import Encoded

    if isinstance(dataset, Encoded):
        return FILES
    for part, batch in dataset.batches(_BATCH):
        if any(image.tobytes() != dataset.content(i) for i, image in enumerate(batch, part.start)):
            return FILES
    return PIXELS


def decoder_of(dataset: "ImageDataset", kind: str) -> str:
    """Name what makes pixels of the content of samples, for the evidence of who trained on them."""
    from whitesquare.types import Encoded

    return PIXELS if kind == PIXELS else dataset.decoder() if isinstance(dataset, Encoded) else dataset.kind


def content_of(splits: Mapping[str, "ImageDataset"]) -> Content:
    """Return what is hashed of data sets that are to be signed together.

    Raises:
        DataError: they do not agree on it, or on their classes, or a name cannot be signed.
    """
    first = next(iter(splits.values()))
    kinds = {split: content_kind(dataset) for split, dataset in splits.items()}
    kind = next(iter(kinds.values()))
    shape = tuple(first.shape) if kind == PIXELS else None
    check_names(first.classes, "class name", first.kind)
    check_names(tuple(id for dataset in splits.values() for id in dataset.ids), "sample id", first.kind)
    for split, dataset in splits.items():
        found = kinds[split], tuple(dataset.shape) if kind == PIXELS else None, tuple(dataset.classes)
        if found != (kind, shape, tuple(first.classes)):
            raise DataError(
                f"The {split} split has {found[0]} of the shape {found[1]} in the classes {', '.join(found[2]):.120}, "
                f"and the other {kind} of the shape {shape} in {', '.join(first.classes):.120}; expected the same."
            )
    return Content(kind, shape, positional=False, samples_only=True)


def _by_name(split: str, ids: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    return ((ids[i], split, i) for i in sorted(range(len(ids)), key=ids.__getitem__))


def sample_rows(
    splits: Mapping[str, "ImageDataset"], *, pixels: bool, traits: Counter[str] | None, on_progress: Progress = silent
) -> Iterator[SampleRow]:
    """Yield the samples in the order of the manifest, the content of each read once.

    Args:
        splits: the data sets.
        pixels: digest the pixels, too.
        traits: counts what files say beside their pixels; ``None`` where the content is pixels.
        on_progress: told how many are hashed.
    """
    from whitesquare.types import Encoded

    total = sum(len(dataset.ids) for dataset in splits.values())
    # Texts are in the order of their UTF-8 bytes: no name of a sample holds half of a pair.
    parts = [_by_name(split, dataset.ids) for split, dataset in splits.items()]
    for done, (_, split, i) in enumerate(merge(*parts), 1):
        dataset = splits[split]
        name, label, content = dataset.ids[i], dataset.classes[int(dataset.labels[i])], dataset.content(i)
        digest = sha256(content).digest()
        if traits is not None:
            traits.update(traits_in(content))
        seen = b""
        if pixels:
            image = dataset.decode(i, content) if isinstance(dataset, Encoded) else dataset.images(slice(i, i + 1))[0]
            seen = digest_of_pixels(image.shape, image.tobytes())
        yield SampleRow(
            name, split, label, len(content), digest, leaf_of(name, label, split, len(content), digest), seen
        )
        if done % 1000 == 0 or done == total:
            on_progress("hash", done, total)
