"""A review: a scan, the data behind it, and what people decide; everything that the page asks, by name."""

import base64
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread

import numpy as np

from whitesquare.deciding.log import DecisionLog
from whitesquare.deciding.review import open_scan
from whitesquare.errors import DataError
from whitesquare.report.common.formats import visible
from whitesquare.report.scan.pictures import trigger_pictures
from whitesquare.reviewing import drawn
from whitesquare.reviewing.board import Board
from whitesquare.reviewing.rows import SuspectRows, suspect_rows
from whitesquare.reviewing.samples import ReviewSamples, open_samples
from whitesquare.scanning.album import Album, album_path, read_album
from whitesquare.scanning.contacts import PastedExamples
from whitesquare.scanning.sheets import unlike
from whitesquare.scanning.stored import stored_scan
from whitesquare.scanning.types import Alarm, ScanResult
from whitesquare.types import FloatArray, UInt8Array

PICTURES = ("suspect", "evidence", "residual", "normal")
"""What can be asked of a suspect."""
_NO_PLACE = ("field", "roaming", "faint")
Ask = Callable[[Album, tuple[str, ...]], Album]
"""Asks another model about the examples of an album, given the names of the classes."""


@dataclass(frozen=True)
class ReviewDesk:
    """What is reviewed.

    Attributes:
        scan_file: the ``scan.json``.
        result: the scan.
        rows: its suspects.
        samples: their pictures.
        board: the decisions.
        examples: by class, the trigger at work.
        notes: what is missing or not as it was, a sentence each.
        changed: rows whose sample is not what was scanned; filled in while the page is open.
        data: name or path of the data, where they are now.
        asked: who answered about the examples: the scan's model, or the one that was given for the review.
    """

    scan_file: Path
    result: ScanResult
    rows: SuspectRows
    samples: ReviewSamples
    board: Board
    examples: dict[int, PastedExamples]
    notes: tuple[str, ...]
    changed: dict[int, str]
    data: str
    asked: str = "the scan's model"

    def alarm(self, label: int) -> Alarm | None:
        """Return the first alarm of a class."""
        return next((one for one in self.result.alarms if one.label == label), None)

    def picture(self, row: int, kind: str) -> bytes:
        """Return a picture of a suspect as PNG.

        Args:
            row: the suspect.
            kind: one of :data:`PICTURES`.

        Raises:
            DataError: it cannot be made.
        """
        if kind == "normal":
            return drawn.png(self.samples.neighbour(row).image)
        image = self.samples.image(self.rows.flags[row].id)
        if kind == "suspect":
            return drawn.png(image)
        if kind == "residual":
            return drawn.residual(image)
        return drawn.evidence(image, self._heat(row, image))

    def _heat(self, row: int, image: UInt8Array) -> FloatArray:
        """Return where the evidence lies: the trigger's mask; without a place, what differs from the match."""
        alarm = self.alarm(self.rows.flags[row].label)
        trigger = alarm.trigger if alarm else None
        if trigger is not None and trigger.kind not in _NO_PLACE:
            mask = np.array(trigger.mask, np.float32)
            if mask.shape == image.shape[1:]:
                return mask
        normal = self.samples.neighbour(row).image
        if normal.shape != image.shape:
            raise DataError("The normal sample has another size, so the two cannot be compared.")
        heat: FloatArray = unlike(image[None], normal[None])[0]
        return heat

    def example(self, label: int, number: int, *, pasted: bool) -> bytes:
        """Return one image of another class as PNG, with the trigger on or without.

        Raises:
            DataError: there is none.
        """
        found = self.examples.get(label)
        if found is None or not 0 <= number < len(found.ids):
            raise DataError("There is no such example.")
        return drawn.png((found.pasted if pasted else found.images)[number])

    def trigger(self, label: int) -> bytes:
        """Return the rebuilt trigger of a class, enlarged, as PNG.

        Raises:
            DataError: there is none, or it is damaged.
        """
        alarm = self.alarm(label)
        if alarm is None or alarm.trigger is None:
            raise DataError("There is no such trigger.")
        return base64.b64decode(trigger_pictures(alarm.trigger).near.partition(",")[2])

    def next_command(self) -> str:
        """Return the command that follows the decisions; what a terminal cannot show is left open."""
        names = (self.data, str(self.scan_file), str(self.board.log.path))
        source, scan, log = (shlex.quote(name) if visible(name) == name else "FILE" for name in names)
        return f"whitesquare cleanse {source} --scan {scan} --decisions {log} -o cleaned/"

    def watch(self, ended: Event) -> Thread:
        """Look in the background which samples are not what was scanned, up to the last or until ``ended`` is set."""

        def look() -> None:
            for row in range(len(self.rows.flags)):
                if ended.is_set():
                    return
                if told := self.samples.trouble(row):
                    self.changed[row] = told

        thread = Thread(target=look, daemon=True, name="contents")
        thread.start()
        return thread


def open_review(
    scan_file: Path,
    decisions: Path | None,
    by: str,
    *,
    role: str = "",
    data: str | None = None,
    size: int | None = None,
    fit: str | None = None,
    ask: Ask | None = None,
) -> ReviewDesk:
    """Open a scan for review.

    Args:
        scan_file: the ``scan.json``, or the folder in which it lies.
        decisions: the file of decisions, which is made if it is not there; ``None`` is the one beside the scan.
        by: who decides.
        role: as what; may be empty.
        data: where the data are now, if they are not where the scan found them.
        size: both sides that image files were brought to for the scan.
        fit: how.
        ask: asks another model about the examples, given the class names.

    Raises:
        DataError: the scan cannot be read, or the decisions are about another one or cannot be written.
    """
    found, file = open_scan(scan_file)
    result = stored_scan(file).result
    log = DecisionLog(found.log_path(decisions), found.head)
    # Ids as the file has them: half surrogates, which names of files may hold, are no text that others read.
    findings = found.findings.flagged
    pairs = zip(result.flagged, findings, strict=True)
    flagged = tuple(one if one.id == true.id else replace(one, id=true.id) for one, true in pairs)
    result = replace(result, flagged=flagged)
    rows = suspect_rows(result, {one.id: one.content for one in findings})
    album, notes = _album(found.path, found.head.scan)
    whole = {one.label for one in result.classes if one.confirmed + one.suspicious >= one.size}
    samples = open_samples(data or result.source, album, rows, result.seed, size=size, fit=fit, whole=whole)
    notes += [samples.missing] if samples.missing else []
    if not any(rows.contents) and rows.flags:
        notes.append("The scan is of an older version: it does not say which samples have changed since.")
    asked = "the scan's model"
    if album is not None and ask is not None:
        names = tuple(row.name for row in sorted(result.classes, key=lambda row: row.label))
        album, asked = ask(album, names), "the model that was given for this review"
    board = Board(log, samples, by, role)
    if board.foreign:
        notes.append(
            f"Decisions about {board.foreign} samples are about other contents than were scanned, and do not count."
        )
    examples = {one.label: one for one in album.examples} if album else {}
    return ReviewDesk(
        found.path, result, rows, samples, board, examples, tuple(notes), {}, data or result.source, asked
    )


def _album(scan_file: Path, digest: str) -> tuple[Album | None, list[str]]:
    path = album_path(scan_file)
    if not path.is_file():
        return None, [f"There is no {path.name} beside the scan, so no trigger is shown at work; scan again to get it."]
    try:
        album = read_album(path)
    except DataError as error:
        return None, [str(error)]
    if album.scan != digest:
        return None, [
            f"{path.name} belongs to another scan, so no trigger is shown at work; scan again to get its own."
        ]
    return album, []
