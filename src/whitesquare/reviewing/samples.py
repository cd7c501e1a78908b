"""The data behind the page: pictures and contents, read when they are asked for, and what cannot be read and why."""

import hashlib
import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeVar

import numpy as np

from whitesquare.data import open_dataset
from whitesquare.errors import DataError, WhitesquareError
from whitesquare.learning.label_check import thumbnails
from whitesquare.reviewing.rows import SuspectRows
from whitesquare.scanning.album import Album
from whitesquare.scanning.sheets import nearest
from whitesquare.types import Encoded, FloatArray, ImageDataset, IntArray, UInt8Array

T = TypeVar("T")
_POOL = 400
"""Normal samples of a class that a suspect is held against."""
_TRIED = 2
"""How many times as many are tried, where some cannot be decoded or have another size."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beside:
    """The normal sample that is shown beside a suspect.

    Attributes:
        id: of it.
        image: its picture, ``(C, H, W)``.
        label: its class; ``None`` where the data are not there to tell.
        stranger: whether it is of another class than the suspect, of whose class every sample is flagged.
    """

    id: str
    image: UInt8Array
    label: int | None
    stranger: bool


class ReviewSamples:
    """Pictures by id: of the data set, and of the album beside the scan where the data are not there.

    Args:
        dataset: the data that were scanned; ``None`` if they are not there.
        missing: why not; empty if they are.
        album: the pictures beside the scan; ``None`` without any.
        rows: the suspects.
        seed: of the choice of normal samples.
        whole: classes of which every sample stands behind an alarm, as the scan counted them.
    """

    def __init__(
        self,
        dataset: ImageDataset | None,
        missing: str,
        album: Album | None,
        rows: SuspectRows,
        seed: int,
        whole: Set[int] = frozenset(),
    ) -> None:
        """Store what is given, and index it."""
        self.dataset, self.missing, self.rows, self._seed = dataset, missing, rows, seed
        self._place = {} if dataset is None else {name: i for i, name in enumerate(dataset.ids)}
        own = {one.label for one in rows.classes}
        self.without_normal = whole if dataset is None else own - _with_normal(dataset, rows, self._place)
        """Classes beside whose suspects no normal sample of their own can be shown."""
        self._kept: dict[str, tuple[UInt8Array, str, UInt8Array]] = {}
        for sheet in album.sheets if album else ():
            for number, name in enumerate(sheet.suspect_ids):
                self._kept[name] = (sheet.suspects[number], sheet.normal_ids[number], sheet.normal[number])
        self._reading = Lock()  # sources keep files open, and two threads would move one another's place in them
        self._pooling = Lock()
        self._pools: dict[int, tuple[IntArray, FloatArray]] = {}
        self._contents: dict[int, str] = {}

    def image(self, name: str) -> UInt8Array:
        """Return the picture of a sample, ``(C, H, W)``, in its own pixels.

        Raises:
            DataError: it is not there, or cannot be decoded.
        """
        place = self._place.get(name)
        if self.dataset is not None and place is not None:
            with self._reading:
                image: UInt8Array = _whole(partial(_decoded, self.dataset, place), name)
            return image
        if name in self._kept:
            return self._kept[name][0]
        raise DataError(self.missing or f"The data set does not hold {name!r:.200} any more: it was taken out since.")

    def content(self, row: int) -> str:
        """Return the SHA-256 of the content of a suspect as it is now; as it was scanned where the data are not there.

        Raises:
            DataError: it cannot be told, so nothing can be decided about it.
        """
        if row in self._contents:
            return self._contents[row]
        name, scanned = self.rows.flags[row].id, self.rows.contents[row]
        place = self._place.get(name)
        if self.dataset is None:
            if not scanned:
                raise DataError(f"{self.missing} Without them, nothing says what would be decided about.")
            return scanned
        if place is None:
            raise DataError(f"The data set does not hold {name!r:.200} any more: it was taken out since.")
        with self._reading:
            found = _whole(lambda: hashlib.sha256(self.dataset.content(place)).hexdigest(), name)  # type: ignore[union-attr]
        self._contents[row] = found
        return found

    def forget(self, rows: Sequence[int]) -> None:
        """Read the contents of some suspects anew when they are asked for next."""
        for row in rows:
            self._contents.pop(row, None)

    def trouble(self, row: int) -> str:
        """Say why nothing can be decided about a suspect; empty if it can."""
        try:
            found = self.content(row)
        except DataError as error:
            return str(error)
        scanned = self.rows.contents[row]
        if scanned and scanned != found:
            return "It was changed since it was scanned: what was found is not about this picture; scan again."
        if self.dataset is not None and self.dataset.labels[self._place[self.rows.flags[row].id]] != (
            self.rows.flags[row].label
        ):
            return "It has another label than when it was scanned; scan again."
        return ""

    def neighbour(self, row: int) -> Beside:
        """Return the normal sample that looks most like a suspect: of its class, or of others where that has none.

        Raises:
            DataError: there is none.
        """
        flag = self.rows.flags[row]
        if self.dataset is None:
            if flag.id not in self._kept:
                raise DataError(self.missing)
            _, name, normal = self._kept[flag.id]
            return Beside(name, normal, None, flag.label in self.without_normal)
        image = self.image(flag.id)
        positions, pool = self._pool(flag.label, image.shape)
        if not len(positions):
            raise DataError(
                "There is no normal sample to show beside it: every sample that has this size, of whatever class, is "
                "flagged or cannot be decoded."
            )
        own = thumbnails(image[None])
        if own.shape[1] != pool.shape[1]:
            raise DataError("The normal samples of its class that were drawn have another form, so none is like it.")
        place = int(positions[nearest(own, pool)[0]])
        name = self.dataset.ids[place]
        label = int(self.dataset.labels[place])
        return Beside(name, self.image(name), label, label != flag.label)

    def _pool(self, label: int, shape: tuple[int, ...]) -> tuple[IntArray, FloatArray]:
        """Return normal samples of a class, drawn by chance, with their thumbnails."""
        with self._pooling:
            if label not in self._pools:
                self._pools[label] = self._drawn(label, shape)
            return self._pools[label]

    def _drawn(self, label: int, shape: tuple[int, ...]) -> tuple[IntArray, FloatArray]:
        dataset = self.dataset
        assert dataset is not None  # noqa: S101 - narrows the type: asked only with data
        own = [place for place in np.flatnonzero(dataset.labels == label).tolist() if self._is_normal(place)]
        if label in self.without_normal:
            own = [place for place in range(len(dataset.labels)) if self._is_normal(place)]
        found, pictures = self._pictured(own, shape)
        if not found and label not in self.without_normal:  # its own have other sizes
            others = [place for place in np.flatnonzero(dataset.labels != label).tolist() if self._is_normal(place)]
            found, pictures = self._pictured(others, shape)
        return np.array(found, np.int64), np.concatenate(pictures or [np.empty((0, 1), np.float32)])

    def _is_normal(self, place: int) -> bool:
        return self.dataset is not None and self.dataset.ids[place] not in self.rows.places

    def _pictured(self, members: Sequence[int], shape: tuple[int, ...]) -> tuple[list[int], list[FloatArray]]:
        """Draw from samples those that can be decoded and have a size, with their thumbnails."""
        dataset = self.dataset
        assert dataset is not None  # noqa: S101 - narrows the type: asked only with data
        drawn = np.random.default_rng(self._seed).permutation(np.array(members, np.int64))[: _TRIED * _POOL]
        found: list[int] = []
        pictures: list[FloatArray] = []
        for place in drawn.tolist():
            try:
                image = self.image(dataset.ids[place])
            except DataError:
                continue
            if image.shape == shape:
                found.append(place)
                pictures.append(thumbnails(image[None]))
            if len(found) == _POOL:
                break
        return found, pictures


def _with_normal(dataset: ImageDataset, rows: SuspectRows, place: dict[str, int]) -> set[int]:
    """Return the classes that have a sample that is not flagged."""
    flagged = [place[one.id] for one in rows.flags if one.id in place]
    return set(np.delete(dataset.labels, flagged).tolist())


def open_samples(
    source: str,
    album: Album | None,
    rows: SuspectRows,
    seed: int,
    *,
    size: int | None = None,
    fit: str | None = None,
    whole: Set[int] = frozenset(),
) -> ReviewSamples:
    """Open the data behind a scan; if they cannot be opened, the page says so and does without.

    Args:
        source: name or path of the data set.
        album: the pictures beside the scan.
        rows: the suspects.
        seed: of the choice of normal samples.
        size: both sides that image files were brought to for the scan.
        fit: how.
        whole: classes of which every sample stands behind an alarm, as the scan counted them.
    """
    try:
        return ReviewSamples(open_dataset(source, size=size, fit=fit), "", album, rows, seed, whole)
    except WhitesquareError as error:
        _logger.info("The data of the scan cannot be opened: %s", error)
        return ReviewSamples(None, f"The data are not here: {error}", album, rows, seed, whole)


def _decoded(dataset: ImageDataset, place: int) -> UInt8Array:
    """Decode one image from its own content, where that can be done: another that is damaged then costs nothing."""
    if isinstance(dataset, Encoded):
        return dataset.decode(place, dataset.content(place))
    image: UInt8Array = dataset.images(np.array([place]))[0]
    return image


def _whole(read: Callable[[], T], name: str) -> T:
    try:
        return read()
    except WhitesquareError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{name!r:.200} cannot be read: {error.strerror or error}.") from error
