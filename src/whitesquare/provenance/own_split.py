"""One attested split, as a loader of anybody's takes it: by position, in whatever process."""

from collections.abc import Callable
from operator import index
from typing import TYPE_CHECKING, Any

from whitesquare.errors import VerificationError
from whitesquare.provenance.expected import SignedSplit
from whitesquare.provenance.opened import PIXELS, content_kind
from whitesquare.provenance.reads import ReadRecord

if TYPE_CHECKING:  # they need NumPy
    from whitesquare.types import EncodedDataset, ImageDataset, UInt8Array

Transform = Callable[["UInt8Array"], Any]
"""Makes of a ``(C, H, W)`` uint8 image what the loop is given; it may write into the image."""


class AttestedSplit:
    """The samples of a split: ``split[i]`` is image (``(C, H, W)`` uint8, or what a transform makes of it) and label.

    Each time, the bytes are read once, hashed, compared with what is signed, and decoded. It can be pickled, so that
    the worker processes of a ``torch.utils.data.DataLoader`` read through it, however they are started.
    """

    def __init__(
        self, dataset: "ImageDataset", samples: SignedSplit, record: ReadRecord, transform: Transform | None = None
    ) -> None:
        """Present a split; see :meth:`.own_training.AttestedTraining.dataset`.

        Args:
            dataset: the split, as :func:`whitesquare.data.open_dataset` gives it.
            samples: what it must be.
            record: where readings are counted.
            transform: see :data:`Transform`.

        Raises:
            VerificationError: the pixels of a container are not the signed ones.
        """
        import numpy as np

        from whitesquare.data.watched import Watched
        from whitesquare.types import Encoded

        self._samples, self._record, self._transform = samples, record, transform
        self._encoded: EncodedDataset | None = None
        self._pixels: UInt8Array | None = None
        if isinstance(dataset, Encoded):
            self._encoded = Watched(dataset, self._check)
            return
        # Held from now on, and given to the workers: what lies on the disk later is never opened.
        self._pixels = np.ascontiguousarray(dataset.images(slice(None)))
        self._again = content_kind(dataset) == PIXELS
        for i in range(len(self)):
            self._check(i, dataset.content(i))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is a position in this tuple."""
        return self._samples.classes

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the samples, by position."""
        return tuple(self._samples.ids)

    @property
    def labels(self) -> tuple[int, ...]:
        """Labels of the samples, by position, without reading them: for a sampler that balances classes."""
        return tuple(self._samples.labels)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples.ids)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        """Read a sample.

        Raises:
            IndexError: there is none at that position.
            VerificationError: it is not the signed one.
            DataError: it cannot be read.
        """
        i = index(position)
        if not -len(self) <= i < len(self):
            raise IndexError(f"The {self._samples.split} split has {len(self)} samples, and none at {i}.")
        i %= len(self)
        image = self._read(i)
        self._record.count(i)
        return image if self._transform is None else self._transform(image), self._samples.labels[i]

    def _read(self, i: int) -> "UInt8Array":
        """Return an image as an array of its own, so that nobody can write into what the next reader gets."""
        import numpy as np

        if self._encoded is not None:
            return np.array(self._encoded.decode(i, self._encoded.content(i)), order="C")
        assert self._pixels is not None  # noqa: S101 - narrows the type; one of the two is there
        image = np.array(self._pixels[i], order="C")
        if self._again:
            self._check(i, image.tobytes())
        return image

    def _check(self, i: int, content: bytes) -> None:
        try:
            self._samples.check(i, content)
        except VerificationError:
            self._record.refuse()
            raise
