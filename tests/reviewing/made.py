"""Small data with a planted square, a scan of them as a scan writes it, and the page served as a user starts it."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue
from threading import Thread
from urllib.request import Request, urlopen

import numpy as np

from tests.patience import PATIENCE, heed_interrupts
from tests.report.scan_sample import alarm, result
from whitesquare.data import ArrayDataset, from_arrays, open_dataset, write_dataset
from whitesquare.reviewing.review import open_review
from whitesquare.reviewing.serve import serve
from whitesquare.scanning.album import album_path, write_album
from whitesquare.scanning.contacts import ContactSheet, PastedExamples
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.stored import without_pictures
from whitesquare.scanning.types import ClassRow, Flag, ScanResult
from whitesquare.types import ImageDataset

SIDE = 28
SUSPECTS, OF_REVIEW = 24, 4
"""Samples with the square, all of class 0; and samples of class 1 that only rank high."""


@dataclass(frozen=True)
class Made:
    """Where things lie."""

    data: Path
    scan: Path
    result: ScanResult

    @property
    def decisions(self) -> Path:
        return self.scan.with_name("decisions.jsonl")

    def marks(self) -> list[dict[str, str]]:
        """What the file of decisions holds now."""
        return [json.loads(line) for line in self.decisions.read_text().splitlines()[1:]]


def pictures(count: int, side: int = SIDE) -> ArrayDataset:
    """Noise of three classes; the square is on the first samples of class 0."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = rng.integers(0, 120, (count, side, side)).astype(np.uint8) + (40 * labels[:, None, None]).astype(np.uint8)
    planted = np.flatnonzero(labels == 0)[:SUSPECTS]
    images[planted, 22:26, 22:26] = 255
    return from_arrays(images, labels, classes=("0", "1", "2"))


def made(folder: Path, *, dataset: ArrayDataset | None = None, source: str | None = None, kept: bool = True) -> Made:
    """Write data, their scan and its pictures.

    Args:
        folder: where; must be there.
        dataset: the data; by default 120 pictures of three classes.
        source: what the scan calls the data; by default their path.
        kept: whether the scan keeps the contents and the pictures, as it does since there is a review.
    """
    data = folder / "data"
    write_dataset(data, dataset or pictures(120), None, "png-folder")
    return scanned(folder, data, open_dataset(data), source=source, kept=kept)


def scanned(folder: Path, data: Path, dataset: ImageDataset, *, source: str | None = None, kept: bool = True) -> Made:
    """Write a scan of data that lie somewhere."""
    labels, names = dataset.labels, dataset.classes
    planted = np.flatnonzero(labels == 0)[:SUSPECTS].tolist()
    high = np.flatnonzero(labels == 1)[:OF_REVIEW].tolist()
    flagged = [Flag(dataset.ids[i], i, 0, "confirmed", "PX01", 9.0 - i / 100, 0.001) for i in planted]
    flagged += [Flag(dataset.ids[i], i, 1, "review", "SS01", 2.0 - i / 100, None) for i in high]
    sizes = np.bincount(labels, minlength=len(names))
    counts = {0: (len(planted), 0), 1: (0, len(high))}
    found = result(
        source=source or str(data),
        digest=hashlib.sha256(data.name.encode()).hexdigest(),
        size=len(labels),
        alarms=(replace(alarm(0, names[0]), carriers=len(planted)),),
        flagged=tuple(flagged),
        classes=tuple(ClassRow(i, name, int(sizes[i]), *_of(counts, i), {}) for i, name in enumerate(names)),
        skipped={},
        warnings=(),
    )
    return written(folder, data, dataset, found, planted, kept=kept)


def _of(counts: dict[int, tuple[int, int]], label: int) -> tuple[int, int, int]:
    confirmed, review = counts.get(label, (0, 0))
    return confirmed, 0, review


def written(
    folder: Path, data: Path, dataset: ImageDataset, found: ScanResult, planted: Sequence[int], *, kept: bool
) -> Made:
    """Write scan.json, and beside it what the scan keeps."""
    contents = {one.id: hashlib.sha256(dataset.content(one.position)).hexdigest() for one in found.flagged}
    file = folder / "scan.json"
    file.write_text(scan_json(found, None, None, contents if kept else None), encoding="utf-8")
    if kept:
        shown = np.array(planted[:4])
        others = np.flatnonzero(dataset.labels != 0)[:4]
        normal = np.flatnonzero(dataset.labels == 0)[-4:]
        images = dataset.images(others)
        pasted = images.copy()
        pasted[:, :, 22:26, 22:26] = 255
        sheet = ContactSheet(
            0,
            dataset.images(shown),
            tuple(dataset.ids[int(i)] for i in shown),
            dataset.images(normal),
            tuple(dataset.ids[int(i)] for i in normal),
            np.zeros((4, *images.shape[2:]), np.float32),
        )
        examples = PastedExamples(
            0,
            tuple(dataset.ids[int(i)] for i in others),
            dataset.labels[others],
            images,
            pasted,
            dataset.labels[others],
            np.full(4, 0.97, np.float32),
            np.array([0, 0, 0, dataset.labels[others][3]]),
            np.full(4, 0.995, np.float32),
        )
        scan = replace(without_pictures(found), sheets=(sheet,), examples=(examples,))
        write_album(album_path(file), scan, hashlib.sha256(file.read_bytes()).hexdigest())
    return Made(data, file, found)


@dataclass
class Served:
    """A running review."""

    process: subprocess.Popen[str]
    address: str

    @property
    def port(self) -> int:
        return int(self.address.split(":")[2].split("/")[0])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "whitesquare.cli", "review", *map(str, arguments)]


@contextmanager
def served_here(scan: Path, log: Path | None = None, *, by: str = "ann") -> Iterator[str]:
    """Serve the page from a thread of this process, which starts at once, and give its address."""
    ready: Queue[str] = Queue()
    desk = open_review(scan, log, by)
    serving = Thread(target=serve, args=(desk, ready.put), kwargs={"browser": False})
    serving.start()
    address = ready.get(timeout=PATIENCE)
    try:
        yield address
    finally:
        host = address.split("/")[2]
        headers = {"Origin": f"http://{host}", "Content-Type": "application/json"}
        with suppress(OSError), urlopen(Request(f"{address}finish", b"{}", headers)) as answer:
            answer.read()
        serving.join(PATIENCE)
        assert not serving.is_alive()


@contextmanager
def served(scan: Path, *arguments: object, by: str = "ann") -> Iterator[Served]:
    """Start the verb, wait for its address, and end it, and only it, whatever happens."""
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    process = subprocess.Popen(
        command(scan, "--by", by, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        preexec_fn=heed_interrupts,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        first = process.stdout.readline()
        hit = re.fullmatch(r"Review at (http://127\.0\.0\.1:\d+/[\w-]{32}/)\n", first)
        if hit is None:
            process.kill()
            raise AssertionError(first + process.stderr.read())
        yield Served(process, hit[1])
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        process.stdout.close()
        process.stderr.close()
