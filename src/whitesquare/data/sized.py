"""Image files of any size and colour mode as images of one size: which, is asked for, or chosen and said."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from whitesquare.data.batches import alike, decoded, in_batches, unlike
from whitesquare.data.fits import FILTER, FITS, PAD, STRETCH, Frame, Sizing
from whitesquare.data.presented import Presented
from whitesquare.errors import DataError, UsageError, WhitesquareError
from whitesquare.types import Encoded, EncodedDataset, ImageDataset, Index, IntArray, Shape, UInt8Array

LARGEST, SMALLEST = 224, 8
"""Sides between which the tool chooses; the larger is what most networks for photographs read."""
MOST_BYTES = 2**30
"""Of all images together, at a size that the tool chooses."""


@dataclass(frozen=True, eq=False)
class Sized(Presented):
    """Present the images of ``base`` in one size; those that have one, and of which nothing is asked, as they are.

    The size is decided when it is first needed, by the headers of the training images and nothing else, so that it is
    the same for every split, command and machine. What is hashed and signed stays the content of the files.

    Attributes:
        base: image files; never written to.
        sizing: what is asked.
        training: opens the training split of the same data set, whose headers decide; ``None`` where it is ``base``.
        decided: the size, where it was decided already by those headers, which are not read again then.
        is_decided: it was, and where ``decided`` is ``None``, all images have one size and are left as they are.
    """

    base: EncodedDataset
    sizing: Sizing
    training: Callable[[], ImageDataset] | None = None
    decided: Frame | None = None
    is_decided: bool = False

    @cached_property
    def headers(self) -> dict[int, Shape]:
        """By position, the shape that a file says to have, of those that say one."""
        return dict(_headers(self.base))

    @cached_property
    def frame(self) -> Frame | None:
        """What every image is brought to; ``None`` leaves them as they are."""
        if self.is_decided or self.decided is not None:
            return self.decided
        first = self._first()
        if first is None:
            return chosen_frame(self.headers.values(), self.sizing)
        if first.frame is not None or len(set(self.headers.values())) < 2:
            return first.frame
        return Frame(first.shape, self.sizing.fit or STRETCH, "that of the training images")

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of every image."""
        return self.base.shape if self.frame is None else self.frame.shape

    def decoder(self) -> str:
        """Name what decodes, and what the images are brought to."""
        frame = self.frame
        return self.base.decoder() + ("" if frame is None else f", {_told(frame.shape)} by {frame.fit} ({FILTER})")

    def header(self, i: int) -> Shape:
        """Return the shape that an image comes to have.

        Raises:
            DataError: it cannot be decoded.
        """
        found = self.headers.get(range(len(self.ids))[i])
        if found is None:
            return self.base.header(i)  # which says why
        return found if self.frame is None else self.frame.shape

    def decode(self, i: int, content: bytes, like: Shape | None = None) -> UInt8Array:
        """Decode an image and bring it to the size of all.

        Raises:
            DataError: it is damaged, too large, or not like ``like``.
        """
        if self.frame is None:
            return self.base.decode(i, content, like)
        image = self.frame.bring(self.base.decode(i, content), self.ids[i])
        if like is not None and alike(self.frame.shape) != alike(like):
            raise unlike(self.ids[i], self.frame.shape, self.ids[0], like)
        return image

    def images(self, index: Index) -> UInt8Array:
        """Decode images as ``(B, C, H, W)`` uint8; see :func:`whitesquare.data.batches.decoded`."""
        return self.base.images(index) if self.frame is None else decoded(self, index)

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Decode every image once, in order."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return the content of a file, whatever size its image is read at."""
        return self.base.content(i)

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Say what was done to images, and what a resize may hide."""
        said = super().notes(positions)
        if self.frame is None:
            return said
        found = Counter(self.headers[i] for i in positions.tolist() if i in self.headers)
        return (*said, *frame_notes(found, self.frame))

    def _first(self) -> "Sized | None":
        """Return the images that decide for these; ``None`` if they decide for themselves."""
        try:
            opened = None if self.training is None else self.training()
        except WhitesquareError:  # there is none, and whoever asks for it is told why
            return None
        if isinstance(opened, Sized):
            return opened
        return Sized(opened, self.sizing) if isinstance(opened, Encoded) else None


def sized(dataset: ImageDataset, sizing: Sizing, training: Callable[[], ImageDataset] | None = None) -> ImageDataset:
    """Present a data set in one size; see :class:`Sized`.

    Args:
        dataset: whose images are decoded one by one; any other has one size, and is returned.
        sizing: what is asked.
        training: see :class:`Sized`.

    Raises:
        UsageError: a size is asked of another.
    """
    own = unsized(dataset)
    if isinstance(own, Encoded):
        return Sized(own, sizing, training)
    if sizing.is_asked:
        raise UsageError(
            f"The data set ({dataset.kind}) holds images of one size, which are used as they are; --size and --fit are "
            "for image files, so leave them out."
        )
    return dataset


def unsized(dataset: ImageDataset) -> ImageDataset:
    """Return the images as they are in their files: what somebody signs, or brings to a size of their own."""
    return dataset.base if isinstance(dataset, Sized) else dataset


def beside(dataset: ImageDataset, first: ImageDataset) -> ImageDataset:
    """Present a data set in the size of another, where that was brought to one."""
    if isinstance(dataset, Sized) and isinstance(first, Sized) and first.frame is not None:
        return replace(dataset, training=lambda: first)
    return dataset


def is_resized(dataset: ImageDataset) -> bool:
    """Tell whether a data set presents other pixels than those of its files."""
    return isinstance(dataset, Sized) and dataset.frame is not None


def _headers(dataset: EncodedDataset) -> Iterator[tuple[int, Shape]]:
    for i in range(len(dataset.ids)):
        try:
            yield i, dataset.header(i)
        except DataError:  # told when it is to be decoded
            continue


def chosen_frame(found: Iterable[Shape], sizing: Sizing) -> Frame | None:
    """Choose the size: as asked, that of most images, or the median of their short sides within bounds."""
    shapes = Counter(found)
    total, fit = shapes.total(), sizing.fit or STRETCH
    if not total or (sizing.size is None and len(shapes) == 1):
        return None
    channels = max(channels for channels, _, _ in shapes)
    if sizing.size is not None:
        return Frame((channels, sizing.size, sizing.size), fit, "as was asked")
    forms = Counter[tuple[int, int]]()
    for (_, height, width), count in shapes.items():
        forms[height, width] += count
    (height, width), count = forms.most_common(1)[0]
    if 2 * count > total:
        return Frame((channels, height, width), fit, "that of most of them; choose another with --size")
    sides = sorted(min(form) for form, count in forms.items() for _ in range(count))
    median = sides[total // 2]
    bound = max(SMALLEST, min(LARGEST, math.isqrt(MOST_BYTES // (total * channels))))
    side = min(median, bound)
    why = "the median of their short sides" if side == median else f"the median of their short sides is {median}"
    return Frame((channels, side, side), fit, f"{why}; choose another with --size")


def frame_notes(found: Counter[Shape], frame: Frame) -> tuple[str, ...]:
    """Say what was done to images of these shapes, and what a resize may hide."""
    channels, height, width = frame.shape
    total = found.total()
    changed = Counter({shape: count for shape, count in found.items() if shape[1:] != (height, width)})
    said = []
    if changed:
        least, most = (pick(found, key=lambda shape: shape[1] * shape[2]) for pick in (min, max))
        said.append(
            f"{changed.total():,} of {total:,} images were brought to {_told(frame.shape)} pixels ({frame.why}): the "
            f"smallest is {_told(least)}, the largest {_told(most)}. They were {FITS[frame.fit]} (--fit {frame.fit}), "
            f"by {FILTER}."
        )
        if (mark := _hidden(most, frame)) > 1:
            said.append(
                f"What is small may be hidden by that: a mark of {mark}x{mark} pixels in an image of {_told(most)} is "
                "one pixel or less in what was read."
            )
    if grey := sum(count for shape, count in found.items() if shape[0] < channels):
        said.append(f"{grey:,} of {total:,} images are grey and were read as colour, as the others are.")
    return tuple(said)


def _hidden(largest: Shape, frame: Frame) -> int:
    """Return the side of a mark of which nothing but a pixel is left."""
    _, height, width = frame.shape
    factors = largest[1] / height, largest[2] / width
    return math.floor(max(factors) if frame.fit == PAD else min(factors))


def _told(shape: Shape) -> str:
    return f"{shape[2]}x{shape[1]}"
