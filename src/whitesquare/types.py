"""Arrays, and the Protocols of whatever handles images: data sets, triggers, attacks. What needs NumPy stands here.

Images are ``uint8`` arrays of shape ``(N, C, H, W)`` with values 0..255 everywhere outside a model, so whatever is
poisoned is a valid 8-bit picture. Shares and rates are fractions in [0, 1]; seconds are wall-clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from whitesquare.records import Progress, silent

UInt8Array = NDArray[np.uint8]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Index = slice | IntArray
"""Positions in a data set: a slice or an integer array."""


@runtime_checkable
class ImageDataset(Protocol):
    """Labelled images of one size, addressed by position and known by stable ids."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is a position in this tuple."""

    @property
    def ids(self) -> Sequence[str]:
        """Unique, stable sample ids: ``train/00042``, or the file's path below the data set's root."""

    @property
    def labels(self) -> IntArray:
        """Labels ``(N,)``, known without decoding an image."""

    def images(self, index: Index) -> UInt8Array:
        """Decode the images at ``index`` as ``(B, C, H, W)`` uint8; the caller must not write into them."""

    def content(self, i: int) -> bytes:
        """Return the bytes that provenance hashes: the file's own where there is a file, else the pixels."""


class Trigger(Protocol):
    """A pure function on image batches: same shape and dtype out, no randomness, its argument untouched."""

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the trigger on a copy of ``images``."""


@dataclass(frozen=True)
class CraftContext:
    """What an attacker may use while crafting.

    Attributes:
        dataset: the clean training set (surrogates are trained on it).
        index: positions of the samples to poison, sorted.
        target: the class the backdoor answers with.
        seed: all of the attack's randomness comes from it.
        on_progress: told how far the crafting is.
    """

    dataset: ImageDataset
    index: IntArray
    target: int
    seed: int
    on_progress: Progress = silent


class Attack(Protocol):
    """A poisoning attack: a frozen dataclass whose fields are its parameters.

    The author writes ``craft``; :func:`whitesquare.attacks.poison` chooses the samples, stamps ``training_trigger``
    on what ``craft`` returns, sets the labels (only if ``clean_label`` is false) and checks every promise.
    """

    name: ClassVar[str]
    clean_label: ClassVar[bool]
    """True: samples come from the target class and keep their labels. False: from the others, relabelled."""

    @property
    def trigger(self) -> Trigger:
        """What is stamped on an image when the backdoor is used."""

    @property
    def training_trigger(self) -> Trigger:
        """What is stamped on the poisons, after the perturbation."""

    @property
    def epsilon(self) -> float:
        """Budget: largest L-inf change of the content before the trigger, as a fraction of 255, in [0, 1)."""

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the perturbed content ``(B, C, H, W)`` of the chosen ``images``, without the trigger.

        It must not depend on ``training_trigger``: the same content may be stamped in several strengths.
        """


@dataclass(frozen=True)
class Gallery:
    """The pictures of the report, beside a :class:`~whitesquare.records.Measurement`.

    Attributes:
        example: one clean test image ``(C, H, W)`` outside the target class.
        triggered: the same image with the trigger on.
        originals: by row name, ``(M, C, H, W)`` images before poisoning.
        poisons: by row name, the same images after poisoning.
        poison_ids: by row name, their sample ids.
    """

    example: UInt8Array
    triggered: UInt8Array
    originals: dict[str, UInt8Array]
    poisons: dict[str, UInt8Array]
    poison_ids: dict[str, tuple[str, ...]]
