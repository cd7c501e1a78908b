"""Scanning more than memory holds as a user asks for it: read by workers, kept in a folder, taken up again."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.data.listing import check_unchanged, in_files
from whitesquare.data.names import Data, named
from whitesquare.data.part import Part
from whitesquare.errors import UsageError
from whitesquare.executor.engine import Way
from whitesquare.provenance.consumed import Consumed, Reading
from whitesquare.records import OnNote, PoisonManifest, Progress
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.extras import Extras
from whitesquare.scanning.sharded.steps import scan_in_shards
from whitesquare.scanning.signed import Digests
from whitesquare.scanning.types import Scan
from whitesquare.types import ImageDataset

if TYPE_CHECKING:  # they load PyTorch
    from whitesquare.learning.given import Given


@dataclass(frozen=True)
class FoundInShards:
    """What a scan in shards found.

    Attributes:
        scan: what was found.
        dataset: what was scanned.
        contents: by id the SHA-256 of the content of every flagged sample, where that was read from files.
        reading: knows what was read of attested data; ``None`` for others.
        consumed: what of it was scanned; likewise.
    """

    scan: Scan
    dataset: ImageDataset
    contents: dict[str, str]
    reading: Digests | None = None
    consumed: Consumed | None = None


def scan_shards(
    dataset: ImageDataset,
    data: Data,
    settings: ScanSettings,
    way: Way,
    extras: Extras,
    model: "Given | None",
    truth: PoisonManifest | None,
    skip_unreadable: bool,
    asked: str,
    on_progress: Progress,
    on_note: OnNote,
) -> FoundInShards:
    """Scan a training set in shards; see :func:`whitesquare.jobs.scan.scan`.

    Args:
        dataset: the training set.
        data: as it was named.
        settings: see there.
        way: see there.
        extras: what is given beside the data.
        model: see there.
        truth: see there.
        skip_unreadable: see there.
        asked: what is asked of the size of its images, in words.
        on_progress: see there.
        on_note: see there.
    """
    _refuse_inside(data, way)
    # What this process decodes is hashed as it is decoded; the files of image data are hashed by whoever reads them.
    reading = None
    if extras.signed is not None and not in_files(dataset):
        reading = Reading(dataset, "train", extras.signed)
        extras, dataset = _beside(extras, dataset), reading.dataset
    found = scan_in_shards(
        dataset,
        settings,
        way,
        source=named(data),
        sized=asked,
        model=model,
        extras=extras,
        truth=truth,
        skip=skip_unreadable,
        on_progress=on_progress,
        on_note=on_note,
    )
    check_unchanged(dataset)  # whose labels and places were read here, and its images by workers
    part = Part(dataset, found.positions)
    if reading is not None:
        return FoundInShards(found.scan, part, {}, reading, reading.consumed(part.ids))
    if found.vouched is not None:
        consumed = found.vouched.consumed(found.positions)
        return FoundInShards(found.scan, part, found.contents, found.vouched, consumed)
    return FoundInShards(found.scan, part, found.contents)


def _refuse_inside(data: Data, way: Way) -> None:
    """Refuse to keep what is done in the very folder that is looked at."""
    if way.folder is None or not isinstance(data, str | Path) or not Path(data).is_dir():
        return
    if way.folder.resolve().is_relative_to(Path(data).resolve()):
        raise UsageError(f"The folder {way.folder} lies in the data set {data}; name one elsewhere with --resume.")


def _beside(extras: Extras, dataset: ImageDataset) -> Extras:
    """Let a reference be brought to the size of a data set that is watched while it is read, and tells none itself."""
    opens = extras.reference
    return extras if opens is None else replace(extras, reference=lambda _: opens(dataset))
