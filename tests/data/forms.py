"""The same pictures in every form that a data set may have on a disk."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from whitesquare.data import from_arrays, write_dataset, write_idx

from .tables import write_csv, write_jsonl, write_parquet

DIGITS = tuple("0123456789")


def pngs(images, labels) -> list[tuple[str, str, bytes]]:
    """Return key, class and the bytes of a PNG file for each of ``(N, C, H, W)`` images."""
    found = []
    for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        out = io.BytesIO()
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(out, format="PNG")
        found.append((f"{i:05d}", str(label), out.getvalue()))
    return found


def write_tar(path: Path, members: list[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    """Write a tar file with members as they are given, names that stand twice included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members:
            one = tarfile.TarInfo(name)
            one.size = len(content)
            one.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            one.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            tar.addfile(one, io.BytesIO(content))
    return path


def _folder(at, images, labels):
    for key, label, content in pngs(images, labels):
        (at / label).mkdir(parents=True, exist_ok=True)
        (at / label / f"{key}.png").write_bytes(content)
    return at


def _splits(at, images, labels):
    _folder(at / "train", images, labels)
    _folder(at / "test", images[:20], labels[:20])
    return at


def _csv(at, images, labels):
    _folder(at, images, labels)
    write_csv(at / "list.csv", _named(labels))
    return at / "list.csv"


def _jsonl(at, images, labels):
    _folder(at, images, labels)
    write_jsonl(at / "list.jsonl", [{"file": name, "label": label} for name, label in _named(labels)])
    return at / "list.jsonl"


def _metadata(at, images, labels):
    _folder(at / "train", images, labels)
    write_csv(at / "train" / "metadata.csv", _named(labels), ("file_name", "label"))
    return at


def _named(labels):
    return [(f"{label}/{i:05d}.png", label) for i, label in enumerate(labels.tolist())]


def _parquet(at, images, labels):
    rows = [({"bytes": content, "path": f"{key}.png"}, int(label)) for key, label, content in pngs(images, labels)]
    half = len(rows) // 2
    for shard, some in enumerate((rows[:half], rows[half:])):
        write_parquet(at / "data" / f"train-0000{shard}-of-00002.parquet", some, names=DIGITS)
    return at


def _tar(at, images, labels):
    samples = pngs(images, labels)
    half = len(samples) // 2
    for shard, some in enumerate((samples[:half], samples[half:])):
        members = [
            one for key, label, content in some for one in ((f"{key}.png", content), (f"{key}.cls", label.encode()))
        ]
        write_tar(at / f"digits-{shard:04d}.tar", members, tarfile.PAX_FORMAT if shard else tarfile.USTAR_FORMAT)
    return at / "digits-{0000..0001}.tar"


def _tar_json(at, images, labels):
    members = [
        one
        for key, label, content in pngs(images, labels)
        for one in ((f"{key}.png", content), (f"{key}.json", json.dumps({"label": int(label), "width": 1}).encode()))
    ]
    write_tar(at / "train-0.tar", members)
    return at


def _written(fmt):
    def write(at, images, labels):
        write_dataset(at, from_arrays(images, labels, classes=DIGITS, layout="NCHW"), None, fmt)
        return at

    return write


def _keras(at, images, labels):
    at.mkdir()
    np.savez(at / "mnist.npz", x_train=images[:, 0], y_train=labels, x_test=images[:20, 0], y_test=labels[:20])
    return at / "mnist.npz"


def _medmnist(at, images, labels):
    at.mkdir()
    shown = images.transpose(0, 2, 3, 1) if images.shape[1] == 3 else images[:, 0]
    arrays = {}
    for split, count in (("train", len(labels)), ("val", 10), ("test", 20)):
        arrays |= {f"{split}_images": shown[:count], f"{split}_labels": labels[:count, np.newaxis].astype(np.uint8)}
    np.savez_compressed(at / "dermamnist.npz", **arrays)
    return at / "dermamnist.npz"


def _emnist(at, images, labels):
    write_idx(at / "emnist-digits-train-images-idx3-ubyte.gz", images[:, 0].transpose(0, 2, 1))
    write_idx(at / "emnist-digits-train-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    (at / "emnist-digits-mapping.txt").write_text("".join(f"{i} {48 + i}\n" for i in range(10)))
    return at


def _svhn(at, images, labels):
    at.mkdir()
    numbers = np.where(labels == 0, 10, labels).astype(np.uint8)[:, np.newaxis]
    savemat(at / "train_32x32.mat", {"X": images.transpose(2, 3, 1, 0), "y": numbers}, do_compression=True)
    return at


def _stl10(at, images, labels):
    at.mkdir()
    images.transpose(0, 1, 3, 2).tofile(at / "train_X.bin")
    (labels + 1).astype(np.uint8).tofile(at / "train_y.bin")
    (at / "class_names.txt").write_text("".join(f"{name}\n" for name in DIGITS))
    (at / "unlabeled_X.bin").write_bytes(b"")
    return at


def _cifar100(at, images, labels):
    at.mkdir()
    records = [bytes((0, label)) + image.tobytes() for image, label in zip(images, labels.tolist(), strict=True)]
    (at / "train.bin").write_bytes(b"".join(records))
    (at / "fine_label_names.txt").write_text("".join(f"{name}\n" for name in DIGITS))
    return at


Write = Callable[[Path, np.ndarray, np.ndarray], Path]
ANY: dict[str, Write] = {
    "folder": _folder,
    "train and test": _splits,
    "csv": _csv,
    "jsonl": _jsonl,
    "metadata": _metadata,
    "parquet": _parquet,
    "tar": _tar,
    "tar with json": _tar_json,
    "npz": _written("npz"),
    "medmnist": _medmnist,
}
"""Forms of pictures of any kind."""
GREY: dict[str, Write] = {**ANY, "idx": _written("idx"), "keras": _keras, "emnist": _emnist}
COLOUR: dict[str, Write] = {
    "folder": _folder,
    "tar": _tar,
    "cifar10": _written("cifar10"),
    "svhn": _svhn,
    "npz": _written("npz"),
}
"""Forms of pictures in colour of 32 x 32 pixels: those that hold nothing else, and a few to compare."""
LARGE: dict[str, Write] = {"stl10": _stl10}
"""Likewise, of 96 x 96 pixels."""
