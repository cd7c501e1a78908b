"""Arrays, and the Protocols of what handles images: data sets, classifiers, attacks. What needs NumPy stands here.

Images are ``uint8`` arrays of shape ``(N, C, H, W)`` with values 0..255 everywhere outside a model, so whatever is
poisoned is a valid 8-bit picture. Shares and rates are fractions in [0, 1]; seconds are wall-clock.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from whitesquare.records import Progress, silent

UInt8Array = NDArray[np.uint8]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Index = slice | IntArray
"""Positions in a data set: a slice or an integer array."""


Shape = tuple[int, int, int]
"""``(C, H, W)`` of one image."""
OnRead = Callable[[int, bytes], None]
"""``on_read(position, content)``: told the very bytes that become an image; it may raise, and must not keep them."""


@runtime_checkable
class ImageDataset(Protocol):
    """Labelled images of one size, addressed by position and known by stable ids.

    This is the door for data of any kind: nobody asks which class a data set is of, only for what stands here. A data
    set whose images are decoded from files can do more, see :class:`Encoded`.
    """

    @property
    def kind(self) -> str:
        """What it is, in a word: ``"mnist"``, ``"folder"``. For people, never for decisions."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is a position in this tuple."""

    @property
    def ids(self) -> Sequence[str]:
        """Unique, stable sample ids: ``train/00042``, or the file's path below the data set's root."""

    @property
    def labels(self) -> IntArray:
        """Labels ``(N,)``, known without decoding an image."""

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of every image."""

    def images(self, index: Index) -> UInt8Array:
        """Decode the images at ``index`` as ``(B, C, H, W)`` uint8; the caller must not write into them."""

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Decode every image once, in order, ``size`` at a time, each batch with its positions."""

    def content(self, i: int) -> bytes:
        """Return the bytes that provenance hashes: the file's own where there is a file, else the pixels."""


@runtime_checkable
class Encoded(Protocol):
    """What a data set can do whose images are decoded one by one, each from nothing but its own content.

    The bytes that are hashed are then the bytes that are decoded, and one that is damaged need not cost all others.
    """

    def decoder(self) -> str:
        """Name what decodes, with its version: two decoders may see two pictures in one file."""

    def header(self, i: int) -> Shape:
        """Return the shape that the content of an image announces, without decoding it.

        Raises:
            DataError: it cannot be decoded.
        """

    def decode(self, i: int, content: bytes, like: Shape | None = None) -> UInt8Array:
        """Decode an image as ``(C, H, W)`` uint8 from its content.

        Args:
            i: its position.
            content: what :meth:`ImageDataset.content` returned for it.
            like: an image that has other channels, or more or fewer pixels, is refused before it is decoded.

        Raises:
            DataError: it is damaged, too large, or not like ``like``.
        """


class EncodedDataset(ImageDataset, Encoded, Protocol):
    """An :class:`ImageDataset` that is :class:`Encoded`."""


@runtime_checkable
class Noted(Protocol):
    """What a data set can do that changes images as it decodes them."""

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Say what was done to the images at ``positions``, as far as they were decoded."""


@runtime_checkable
class Contained(Protocol):
    """What a data set has that was read from files which hold many samples."""

    @property
    def containers(self) -> tuple[tuple[str, int, bytes], ...]:
        """Name, size and SHA-256 of those files, as they were read."""


@runtime_checkable
class Rewritable(Protocol):
    """What a data set can do that writes some of its samples again in the very form in which it was read."""

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`rewrite` makes in a folder, for either split."""

    def rewrite(self, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
        """Write the samples at ``positions`` (sorted), each as it is, with what the form has beside them.

        Raises:
            UsageError: the form cannot be written there.
        """


class DatasetSource(Protocol):
    """A kind of data set that can be opened by its name or path."""

    @property
    def name(self) -> str:
        """What it is called."""

    def recognises(self, source: str) -> bool:
        """Tell, for little time, whether ``source`` (a path, or a name) is of this kind."""

    def splits(self, source: str) -> tuple[str, ...]:
        """Tell, for little time, which of ``"train"`` and ``"test"`` there are."""

    def open(self, source: str, split: str) -> ImageDataset:
        """Open the split ``"train"`` or ``"test"``.

        Raises:
            DataError: it is damaged, or has no such split.
        """


@runtime_checkable
class Classifier(Protocol):
    """A model that a scan or a measurement asks: NumPy in and out, whatever it computes with.

    The same images give the same answers, and every image is answered by itself, whatever it is asked together with.
    What only some can do stands in :class:`Differentiable` and :class:`Fittable`; who needs it asks first.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes, in the order of the logits."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda:0``, or whatever its framework calls it."""

    @property
    def feature_layer(self) -> str:
        """What its features are, for people: ``the input of layer 'fc'``."""

    def logits(self, images: UInt8Array) -> FloatArray:
        """Return the logits ``(B, K)``, float32, of uint8 images ``(B, C, H, W)``; B may be 0."""

    def features(self, images: UInt8Array) -> FloatArray:
        """Return the features ``(B, D)``, float32, of uint8 images ``(B, C, H, W)``; B may be 0."""


Slope = Callable[[FloatArray], FloatArray]
"""From logits ``(B, K)``, float32, to the derivative of an objective with respect to them, of the same shape."""


@runtime_checkable
class Differentiable(Protocol):
    """What a :class:`Classifier` has in addition if an image can be changed along its gradient."""

    def gradients(self, pixels: FloatArray, slope: Slope, *, rough: bool = False) -> FloatArray:
        """Return the derivative ``(B, C, H, W)``, float32, of an objective of the logits with respect to pixels.

        Args:
            pixels: float32 images in [0, 1], ``(B, C, H, W)``.
            slope: called once, with the logits of these pixels.
            rough: less precision will do, if that is faster.
        """


@runtime_checkable
class Fittable(Protocol):
    """What a :class:`Classifier` has in addition if another of its kind can be trained."""

    def fit(self, images: UInt8Array, labels: IntArray, seed: int) -> Classifier:
        """Return a new classifier, trained on these samples alone, long enough to tell what there is to learn.

        Args:
            images: ``(N, C, H, W)``.
            labels: ``(N,)``, each in ``0..K-1``.
            seed: of everything random.
        """


@runtime_checkable
class OnePass(Protocol):
    """What a :class:`Classifier` has in addition if features and logits come of one computation."""

    def answers(self, images: UInt8Array) -> tuple[FloatArray, FloatArray]:
        """Return features ``(B, D)`` and logits ``(B, K)``, both float32."""


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
        device: where models are trained and asked: ``cpu`` or ``cuda:n``.
    """

    dataset: ImageDataset
    index: IntArray
    target: int
    seed: int
    on_progress: Progress = silent
    device: str = "cpu"


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
