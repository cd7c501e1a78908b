"""Scanning more than memory holds as a user asks for it: read by workers, kept in a folder, taken up again."""

from typing import TYPE_CHECKING

from whitesquare.data.names import Data, named
from whitesquare.data.opening import open_dataset
from whitesquare.data.part import Part
from whitesquare.errors import UsageError
from whitesquare.records import OnNote, PoisonManifest, Progress
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.engine import Way
from whitesquare.scanning.sharded.steps import scan_in_shards
from whitesquare.scanning.types import Scan
from whitesquare.types import ImageDataset

if TYPE_CHECKING:  # they load PyTorch
    from whitesquare.learning.given import Given


def scan_shards(
    data: Data,
    settings: ScanSettings,
    way: Way,
    model: "Given | None",
    truth: PoisonManifest | None,
    skip_unreadable: bool,
    size: int | None,
    fit: str | None,
    on_progress: Progress,
    on_note: OnNote,
) -> tuple[Scan, ImageDataset, dict[str, str]]:
    """Scan a training set in shards; see :func:`whitesquare.jobs.scan.scan`.

    Returns:
        What was found, what was scanned, and by id the SHA-256 of the content of every flagged sample, where that was
        read from files.
    """
    dataset = open_dataset(data, size=size, fit=fit, on_progress=on_progress)
    asked = " ".join(str(one) for one in (size, fit) if one is not None)
    found = scan_in_shards(
        dataset,
        settings,
        way,
        source=named(data),
        sized=asked,
        model=model,
        truth=truth,
        skip=skip_unreadable,
        on_progress=on_progress,
        on_note=on_note,
    )
    return found.scan, Part(dataset, found.positions), found.contents


def refuse_beside(asked: dict[str, object]) -> None:
    """Refuse what a scan in shards cannot do yet, by the names under which it is asked for.

    Raises:
        UsageError: it is asked for.
    """
    given = [name for name, value in asked.items() if value is not None]
    if given:
        raise UsageError(
            f"A scan in shards takes no {' and no '.join(given)}, which a scan of one piece does; leave "
            f"{'it' if len(given) == 1 else 'them'} out, or scan without workers, a cluster and a folder to resume."
        )
