"""The embedded MNIST: the four files, checked against their SHA-256 at every load."""

from dataclasses import replace

from whitesquare.data.layouts import EMBEDDED, MNIST, mnist_file
from whitesquare.data.names import check_split
from whitesquare.data.sources.arrays import ArrayDataset, from_arrays
from whitesquare.data.sources.idx import read_idx

FOLDER = MNIST


def load_mnist(split: str = "train") -> ArrayDataset:
    """Load the embedded MNIST: 60,000 training or 10,000 test images, ``(1, 28, 28)``.

    Args:
        split: ``"train"`` (ids ``train/00000``...) or ``"test"`` (ids ``test/00000``...).

    Raises:
        UsageError: if the split is unknown.
        DataError: if an embedded file is missing or not the one that was published.
    """
    check_split(split)
    images, labels = (mnist_file(split, part, FOLDER) for part in ("images", "labels"))
    read = read_idx(images), read_idx(labels)
    return replace(from_arrays(*read, classes=tuple("0123456789"), split=split, where="embedded MNIST"), kind=EMBEDDED)
