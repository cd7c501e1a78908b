"""The pictures of a scan, in a file beside its ``scan.json``: what a person is shown without opening the data.

It is small: of each alarm a few suspects with their matches, and the few images that its trigger was pasted on.
"""

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.files import whole_file
from whitesquare.data.zips import read_archive
from whitesquare.errors import DataError
from whitesquare.scanning.contacts import ContactSheet, PastedExamples
from whitesquare.scanning.types import Scan

FORMAT = "whitesquare pictures 1"
"""What the file says of its form; it changes when a reader of the old form would misread the new one."""
_KEPT = 8
"""Suspects kept of an alarm."""
_MOST_ALARMS = 50
_MOST_BYTES = 2**29


@dataclass(frozen=True)
class Album:
    """What lies beside a scan.

    Attributes:
        scan: SHA-256 of the ``scan.json`` that it belongs to.
        sheets: by alarm, the first suspects; some may lack.
        examples: by alarm, the trigger at work; some may lack.
    """

    scan: str
    sheets: tuple[ContactSheet, ...]
    examples: tuple[PastedExamples, ...]


def album_path(scan_file: Path) -> Path:
    """Return where the pictures of a scan lie: ``scan.pictures.npz`` beside ``scan.json``."""
    return scan_file.with_name(f"{scan_file.stem}.pictures.npz")


def write_album(path: Path, scan: Scan, digest: str) -> None:
    """Write the pictures of a scan, whole or not at all.

    Args:
        path: where.
        scan: what was found.
        digest: SHA-256 of its ``scan.json``.
    """
    sheets, examples = scan.sheets[:_MOST_ALARMS], scan.examples[:_MOST_ALARMS]
    arrays: dict[str, NDArray[Any]] = {}
    for number, sheet in enumerate(sheets):
        arrays |= {f"sheet{number}/suspects": sheet.suspects[:_KEPT], f"sheet{number}/normal": sheet.normal[:_KEPT]}
        arrays[f"sheet{number}/heat"] = np.rint(255 * np.clip(sheet.heat[:_KEPT], 0, 1)).astype(np.uint8)
    for number, one in enumerate(examples):
        arrays |= {f"example{number}/{name}": getattr(one, name) for name in _ARRAYS}
    told = {
        "format": FORMAT,
        "scan": digest,
        "sheets": [[one.label, one.suspect_ids[:_KEPT], one.normal_ids[:_KEPT]] for one in sheets],
        "examples": [[one.label, one.ids] for one in examples],
    }
    arrays["about"] = np.frombuffer(json.dumps(told).encode("ascii"), np.uint8)
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


_ARRAYS = ("labels", "images", "pasted", "before", "before_confidence", "after", "after_confidence")


def read_album(path: Path) -> Album:
    """Read what :func:`write_album` wrote.

    Raises:
        DataError: it is missing, damaged, or none.
    """
    try:
        with path.open("rb") as file:
            archive = read_archive(file, os.fstat(file.fileno()).st_size, path)
            if (size := sum(member.size for member in archive.members)) > _MOST_BYTES:
                raise ValueError(f"its pictures have {size} bytes, expected at most {_MOST_BYTES}")
            file.seek(0)
            with np.load(file) as arrays:
                return _album(arrays)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, EOFError, SyntaxError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as the pictures of a scan ({error!s:.200}); scan again.") from error


def _album(arrays: Any) -> Album:
    told = json.loads(arrays["about"].tobytes())
    if told["format"] != FORMAT:
        raise ValueError(f"its format is {told['format']!r:.60}, expected {FORMAT!r}")
    sheets = tuple(
        ContactSheet(
            label=int(label),
            suspects=arrays[f"sheet{number}/suspects"],
            suspect_ids=tuple(map(str, ids)),
            normal=arrays[f"sheet{number}/normal"],
            normal_ids=tuple(map(str, normal_ids)),
            heat=arrays[f"sheet{number}/heat"].astype(np.float32) / 255,
        )
        for number, (label, ids, normal_ids) in enumerate(told["sheets"])
    )
    examples = tuple(
        PastedExamples(
            label=int(label),
            ids=tuple(map(str, ids)),
            **{name: arrays[f"example{number}/{name}"] for name in _ARRAYS},
        )
        for number, (label, ids) in enumerate(told["examples"])
    )
    for sheet in sheets:
        _check(len(sheet.suspect_ids), sheet.suspects, sheet.normal, sheet.heat[:, None])
    for one in examples:
        _check(len(one.ids), one.images, one.pasted)
        if any(getattr(one, name).shape != (len(one.ids),) for name in _ARRAYS if name not in ("images", "pasted")):
            raise ValueError("it has another number of answers than of images")
    return Album(str(told["scan"]), sheets, examples)


def _check(count: int, *pictures: NDArray[Any]) -> None:
    """Refuse pictures that are not as many as their ids, or are none."""
    for one in pictures:
        if one.ndim != 4 or len(one) != count or 0 in one.shape[1:] or one.shape[2:] != pictures[0].shape[2:]:
            raise ValueError(f"it has pictures of shape {one.shape}, expected {count} of one size")
    if any(one.dtype != np.uint8 for one in pictures[:2]):
        raise ValueError("its pictures are no bytes")
