"""What is read once: images of a stream, or of code that would read them anew each time, in a file without a name."""

import mmap
import shutil
import tempfile
from array import array
from dataclasses import dataclass

import numpy as np

from whitesquare.data.sources.objects.cells import unpacked
from whitesquare.errors import DataError
from whitesquare.types import IntArray, UInt8Array

MOST_BYTES = 2**35
"""Most that is kept of one data set; and at most half of what is free where temporary files lie."""


@dataclass(frozen=True)
class Kept:
    """Contents that were kept, each read from the file when it is asked for.

    Attributes:
        data: all of them.
        ends: where each begins, and the last ends.
    """

    data: UInt8Array
    ends: IntArray

    def __call__(self, position: int) -> bytes:
        """Return one."""
        return self.data[self.ends[position] : self.ends[position + 1]].tobytes()

    def pixels(self) -> UInt8Array | None:
        """Return all as images ``(N, C, H, W)``, without a copy, if they are pixels of one shape."""
        sizes = np.diff(self.ends)
        first = self(0)
        shown = unpacked(first)
        if shown is None or (sizes != sizes[0]).any():
            return None
        rows = self.data.reshape(len(sizes), -1)
        head = len(first) - shown.size
        if (rows[:, :head] != rows[0, :head]).any():
            return None
        return rows[:, head:].reshape(len(sizes), *shown.shape)


class Spool:
    """Contents of images, one after the other, in a temporary file that ends with the process.

    It is bounded, so that a stream without an end is refused before the disk is full.
    """

    def __init__(self, where: str) -> None:
        """Begin with nothing.

        Args:
            where: what is read, for the errors.
        """
        self._where = where
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed as this is
        self._most = min(MOST_BYTES, shutil.disk_usage(tempfile.gettempdir()).free // 2)
        self._ends = array("q", [0])

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # what is mapped stays

    @property
    def size(self) -> int:
        """Bytes that are kept so far."""
        return self._ends[-1]

    def add(self, content: bytes) -> None:
        """Keep one more.

        Raises:
            DataError: there is no room for it.
        """
        end = self.size + len(content)
        try:
            if end > self._most:
                raise OSError(f"expected at most {self._most / 2**30:.1f} GiB")
            self._file.write(content)
        except OSError as error:
            raise DataError(
                f"{self._where}: after {len(self._ends) - 1:,} images, {self.size / 2**30:.1f} GiB, there is no room "
                f"for more in {tempfile.gettempdir()} ({error}); give a part of it, set TMPDIR to a larger disk, or "
                "write it as Parquet or image files and give their path."
            ) from error
        self._ends.append(end)

    def kept(self) -> Kept:
        """Return what was kept."""
        self._file.flush()
        data = np.empty(0, np.uint8)
        if self.size:
            data = np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        return Kept(data, np.frombuffer(self._ends, np.int64))
