"""The embedded MNIST: the four files, checked against their SHA-256 at every load."""

import hashlib
from pathlib import Path

from whitesquare.data.arrays import ArrayDataset, from_arrays
from whitesquare.data.idx import read_idx
from whitesquare.data.names import check_split
from whitesquare.errors import DataError

FOLDER = Path(__file__).parent / "mnist"

_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_SHA256 = {
    "train-images-idx3-ubyte.gz": "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
    "train-labels-idx1-ubyte.gz": "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
    "t10k-images-idx3-ubyte.gz": "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
    "t10k-labels-idx1-ubyte.gz": "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
}


def load_mnist(split: str = "train") -> ArrayDataset:
    """Load the embedded MNIST: 60,000 training or 10,000 test images, ``(1, 28, 28)``.

    Args:
        split: ``"train"`` (ids ``train/00000``...) or ``"test"`` (ids ``test/00000``...).

    Raises:
        UsageError: if the split is unknown.
        DataError: if an embedded file is missing or not the one that was published.
    """
    check_split(split)
    images, labels = (_checked(FOLDER / name) for name in _FILES[split])
    return from_arrays(
        read_idx(images), read_idx(labels), classes=tuple("0123456789"), split=split, where="embedded MNIST"
    )


def _checked(path: Path) -> Path:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"The embedded file {path} cannot be read ({error}); reinstall whitesquare.") from error
    if found != (expected := _SHA256[path.name]):
        raise DataError(
            f"The embedded file {path} has changed: found SHA-256 {found}, expected {expected}; reinstall whitesquare."
        )
    return path
