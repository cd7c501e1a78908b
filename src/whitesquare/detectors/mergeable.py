"""What a detector has in addition if it can look at more samples than memory holds, all of them and not a part.

Two kinds: what it must know of all samples is a sum of what it counts in parts (:class:`Mergeable`), or it follows from
a few numbers of each (:class:`Summarised`). Every other detector of images or features is run on stratified groups of
samples, and one that asks a model on one such group; see :mod:`whitesquare.scanning.sharded.steps`.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from whitesquare.detectors.types import Suspicion
from whitesquare.records import Progress
from whitesquare.types import FloatArray, IntArray, Shape, UInt8Array

Counts = NDArray[Any]
"""Whole numbers: their sum is the same in any order."""


@dataclass(frozen=True)
class Band:
    """Some rows of images, of one scale: what is counted at a time.

    Attributes:
        scale: position among the detector's scales.
        top: first row of places.
        bottom: row after the last.
    """

    scale: int
    top: int
    bottom: int


@runtime_checkable
class Mergeable(Protocol):
    """A detector that counts. Bands are looked at one after the other, each twice: to count, and then to score."""

    def bands(self, shape: Shape, classes: int) -> tuple[Band, ...]:
        """Return the bands whose counts are held at a time, each of bounded memory; none where it would be too much."""

    def accumulate(self, counts: Counts | None, band: Band, images: UInt8Array, labels: IntArray, kinds: int) -> Counts:
        """Add what some images ``(n, C, H, W)`` show to counts, which may be changed; ``None`` begins."""

    def merge(self, one: Counts, other: Counts) -> Counts:
        """Add counts of different samples."""

    def finish(self, counts: Counts, band: Band, sizes: IntArray) -> tuple[IntArray, FloatArray]:
        """Turn the counts of all samples into what scores any of them; ``sizes`` ``(K,)`` are those of the classes."""

    def apply(self, known: tuple[IntArray, FloatArray], band: Band, images: UInt8Array, labels: IntArray) -> FloatArray:
        """Return the score ``(n,)`` of each image in this band; the largest over all bands counts."""

    def conclude(self, scores: FloatArray, labels: IntArray, classes: tuple[str, ...]) -> Suspicion:
        """Return what follows from the scores of all samples."""


@runtime_checkable
class Summarised(Protocol):
    """A detector to which a few numbers of each sample say all."""

    def numbers(self, images: UInt8Array) -> FloatArray:
        """Return the numbers ``(n, D)``, float32, of images ``(n, C, H, W)``."""

    def judged(
        self, numbers: FloatArray, labels: IntArray, classes: tuple[str, ...], on_progress: Progress
    ) -> Suspicion:
        """Score all samples by their numbers ``(N, D)``."""
