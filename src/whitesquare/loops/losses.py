"""Per-sample losses of a training of the user's own, for the detectors that need its trajectories.

::

    recorder = LossRecorder("losses.parquet", dataset.ids, inputs="augmented")
    for epoch in range(epochs):
        for images, labels, positions in loader:  # DataLoader(with_positions(dataset), ...)
            losses = F.cross_entropy(network(images), labels, reduction="none")
            recorder.record(positions, losses)
            ...
        recorder.end_epoch()
    recorder.finish()

Memory holds the epoch that runs, twelve bytes a sample beside the ids; each epoch is on disk when it has ended.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whitesquare.errors import DataError, UsageError
from whitesquare.loops.given import Labelled, epoch_in, ids_of, losses_in, samples_in
from whitesquare.loops.recordings import (
    COLUMNS,
    INPUTS,
    Parts,
    Said,
    find_parts,
    losses_database,
    merge,
    part_name,
    parts_of,
    relation,
    write_epoch,
)
from whitesquare.loops.resuming import check_continued, check_place

_ROWS = 65_536


class LossRecorder:
    """Records the loss of every sample in every epoch, by id.

    Attributes:
        path: of the Parquet file that :meth:`finish` writes.
        ids: of the samples, by position.
        labels: their labels, by position; empty if only ids were given.
    """

    def __init__(
        self,
        path: str | Path,
        data: Labelled | Sequence[str],
        *,
        inputs: str = "",
        digest: str = "",
        resume: bool = False,
    ) -> None:
        """Begin a recording; nothing is written before the first epoch ends.

        Args:
            path: the file to be, ``.parquet``.
            data: what is trained on, or the ids of its samples, each once; those of the data set that is scanned later.
            inputs: on what images the losses are computed: ``plain``, ``augmented`` (crops, flips, noise), or
                ``mixed`` (mixup, cutmix: such a loss is that of two samples, and a scan says so).
            digest: :func:`whitesquare.data.dataset_digest` of the data, to be held against those that are scanned.
            resume: go on after the epochs that are recorded there, instead of refusing.

        Raises:
            UsageError: ``data`` names no samples, or one twice; ``inputs`` is not known; no file can be written there;
                or something is recorded there already, and with ``resume`` of other data, samples or images.
        """
        self.path = Path(path)
        self.ids = ids_of(data)
        self.labels: tuple[int, ...] = ()
        self._classes: tuple[str, ...] = ()
        if isinstance(data, Labelled):
            self.labels, self._classes = tuple(int(label) for label in data.labels), data.classes
        if inputs not in INPUTS:
            raise UsageError(f"inputs is {inputs!r:.60}; expected one of {', '.join(map(repr, INPUTS[:3]))}.")
        self._said = Said(inputs, digest)
        self._next = self._begin(resume=resume)
        self._places: dict[str, int] = {}
        """Positions by id, made when a loss is recorded by id."""
        self._sums, self._visits = np.zeros(len(self.ids)), np.zeros(len(self.ids), np.int32)

    def record(self, samples: ArrayLike, losses: ArrayLike) -> None:
        """Take the losses of a batch, as tensors or arrays; of a sample visited twice in an epoch, the mean is kept.

        Args:
            samples: ``(B,)`` positions in the data, or ids.
            losses: ``(B,)`` cross-entropy of each, before the mean over the batch (``reduction="none"``), >= 0. What
                is not finite is kept as it is, and a scan counts it.

        Raises:
            UsageError: they do not fit each other or the data, or a loss is below zero.
        """
        values, asked = losses_in(losses), samples_in(samples)
        if asked.ndim != 1 or values.shape != asked.shape:
            raise UsageError(
                f"Losses of the shape {values.shape} were recorded for samples of the shape {asked.shape}; expected "
                "(B,) of both: compute the loss with reduction='none'."
            )
        if (values < 0).any():
            raise UsageError(f"A loss is {values.min():.3g}; expected a cross-entropy, which is 0 or more.")
        at = self._at(asked)
        np.add.at(self._sums, at, values)
        np.add.at(self._visits, at, 1)

    def end_epoch(self, epoch: int | None = None) -> None:
        """Write what was recorded since the last epoch; what is recorded next belongs to the next one.

        Args:
            epoch: its number, from 0 on; default: one more than the last. One that was recorded is replaced.

        Raises:
            UsageError: nothing was recorded, or the number is no whole one from 0 on.
            DataError: it cannot be written.
        """
        number = self._next if epoch is None else epoch_in(epoch)
        if not self._visits.any():
            raise UsageError(
                f"Epoch {number} ends and no loss was recorded in it; expected a call of record() in every batch."
            )
        rank, ranks = _rank()
        folder = parts_of(self.path)
        write_epoch(folder / part_name(number, rank, ranks), self._chunks(number), self._said)
        if rank == 0:  # the same epoch of a training that was stopped, on another number of processes
            for other in folder.glob(f"{part_name(number, 0, 0).partition('.')[0]}.rank-*.parquet"):
                if not other.name.endswith(f"-of-{ranks}.parquet"):
                    other.unlink()
        self._next = number + 1
        self._sums[:], self._visits[:] = 0, 0

    def finish(self) -> Path:
        """Write all epochs into one file; call it in every process of a distributed training, after the last epoch.

        Returns:
            The file; the first process writes it, and the others return when it is there.

        Raises:
            UsageError: nothing was recorded.
            DataError: an epoch lacks the losses of some process.
        """
        if self._visits.any():
            self.end_epoch()
        _wait()
        if _rank()[0] == 0:
            parts = find_parts(parts_of(self.path))
            self._check(parts)
            merge(parts.files, self.path, self._said)
            shutil.rmtree(parts_of(self.path), ignore_errors=True)
        _wait()
        return self.path

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish after a training that ended well; of another, the epochs that ended are kept as they are."""
        if kind is None:
            self.finish()

    def _begin(self, *, resume: bool) -> int:
        """Return the number of the first epoch to record."""
        check_place(self.path)
        parts = find_parts(parts_of(self.path))
        if not resume and (self.path.exists() or parts.files or parts.left_out):
            raise UsageError(
                f"Losses were recorded at {self.path} before; name another file, remove it and {parts_of(self.path)}, "
                "or give resume=True to go on after them."
            )
        files = (*([self.path] if self.path.is_file() else []), *parts.files)
        if files:
            check_continued(self.path, files, self._said, frozenset(map(stored, self.ids)))
        if not self.path.is_file():
            return parts.last + 1
        with losses_database(self.path) as db:
            rows = relation([self.path], COLUMNS)
            last = db.execute(f"SELECT max(epoch) FROM {rows}").fetchall()[0][0]  # noqa: S608 - a quoted name
        return max(parts.last, -1 if last is None else int(last)) + 1

    def _at(self, asked: NDArray[Any]) -> NDArray[np.int64]:
        if asked.dtype.kind in "iu":
            if len(asked) and not (asked.min() >= 0 and asked.max() < len(self.ids)):
                raise UsageError(
                    f"Positions {asked.min()} to {asked.max()} were recorded; expected positions in the "
                    f"{len(self.ids)} samples of the recorder, or ids."
                )
            return asked.astype(np.int64)
        self._places = self._places or {name: i for i, name in enumerate(self.ids)}
        unknown = next((one for one in asked.tolist() if one not in self._places), None)
        if unknown is not None:
            raise UsageError(
                f"A loss of the sample {unknown!r:.80} was recorded, which is not among the {len(self.ids)} ids that "
                f"the recorder was given, such as {self.ids[0]!r:.80}; give positions (whole numbers) or those ids."
            )
        return np.array([self._places[one] for one in asked.tolist()], np.int64)

    def _chunks(self, epoch: int) -> Iterator[dict[str, Any]]:
        seen = np.flatnonzero(self._visits)
        for start in range(0, len(seen), _ROWS):
            at = seen[start : start + _ROWS]
            names = [self._classes[self.labels[i]] if self.labels else None for i in at]
            yield {
                "id": np.array([stored(self.ids[i]) for i in at], dtype=object),
                "label": np.array([name if name is None else stored(name) for name in names], dtype=object),
                "epoch": np.full(len(at), epoch, np.int32),
                "loss": (self._sums[at] / self._visits[at]).astype(np.float32),
                "visits": self._visits[at],
            }

    def _check(self, parts: Parts) -> None:
        if parts.left_out:
            raise DataError(
                f"Epoch {parts.left_out[0]} lacks the losses of some of the processes; let each of them call "
                f"end_epoch() and finish(), and rank 0 last where torch.distributed is not used."
            )
        if not parts.files and not self.path.is_file():
            raise UsageError("No loss was recorded; call record() in every batch.")


def stored(text: str) -> str:
    """Return a name as a table can hold it: one that is no text, such as of a file, has its bytes escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _rank() -> tuple[int, int]:
    """Return which process of a distributed training this is, and of how many."""
    group = _group()
    if group is not None:
        return int(group.get_rank()), int(group.get_world_size())
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _wait() -> None:
    group = _group()
    if group is not None:
        group.barrier()


def _group() -> Any:
    """Return ``torch.distributed`` where it is in use; it is not imported for the question."""
    found = sys.modules.get("torch.distributed")
    return found if found is not None and found.is_available() and found.is_initialized() else None
