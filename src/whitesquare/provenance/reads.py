"""How often each sample was read, by all the processes of a training together.

The record is a file in a folder of its own (mode 0700), with a counter for every sample. Each process opens it by its
path, however it was started, and counts under a lock of the system's, which a killed process gives back: no reading
is lost, and none is counted that did not happen.
"""

import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from array import array
from pathlib import Path

from whitesquare.errors import ContractError
from whitesquare.provenance.own_types import Reads

_WIDTH = 4
_MOST = 2 ** (8 * _WIDTH) - 1


class ReadRecord:
    """Counters of the readings of ``size`` samples, and of those that were refused."""

    def __init__(self, size: int) -> None:
        """Make the file; it is removed with the record, by the process that made it."""
        folder = tempfile.mkdtemp(prefix="whitesquare-reads-")
        weakref.finalize(self, _remove, folder, os.getpid())
        self._path = Path(folder) / "reads"
        self._path.write_bytes(bytes(_WIDTH * (size + 1)))
        self._own()

    def __getstate__(self) -> Path:
        """Tell another process where the record is."""
        return self._path

    def __setstate__(self, state: Path) -> None:
        """Open the record of another process."""
        self._path = state
        self._own()

    def count(self, i: int) -> None:
        """Record that a sample was read and is the signed one."""
        self._add(i + 1)

    def refuse(self) -> None:
        """Record that a sample was read and is not the signed one."""
        self._add(0)

    def counts(self) -> "array[int]":
        """Return how often each sample was read."""
        return self._all()[1:]

    def refused(self) -> int:
        """Return how often a sample was refused."""
        return self._all()[0]

    def _own(self) -> None:
        self._file: int | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()

    def _open(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError as error:
                raise ContractError(
                    f"The record of what was read cannot be opened ({error}); keep the attested training alive, and "
                    "its temporary folder in place, while its data are read."
                ) from error
            weakref.finalize(self, os.close, self._file)
        return self._file

    def _add(self, slot: int) -> None:
        if self._pid != os.getpid():  # forked: another thread of the parent may have held the lock at that moment
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            file, place = self._open(), _WIDTH * slot
            fcntl.lockf(file, fcntl.LOCK_EX, _WIDTH, place)
            try:
                known = int.from_bytes(os.pread(file, _WIDTH, place), "little")
                os.pwrite(file, min(known + 1, _MOST).to_bytes(_WIDTH, "little"), place)
            finally:
                fcntl.lockf(file, fcntl.LOCK_UN, _WIDTH, place)

    def _all(self) -> "array[int]":
        data = self._path.read_bytes()
        return array("Q", [int.from_bytes(data[i : i + _WIDTH], "little") for i in range(0, len(data), _WIDTH)])


def summary(counts: "array[int]") -> Reads:
    """Sum up how often the samples of a split were read."""
    return Reads(len(counts), min(counts, default=0), max(counts, default=0), sum(counts))


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker ends before the training does
        shutil.rmtree(folder, ignore_errors=True)
