"""A result that was written before, whatever wrote it: read again, so that it can be shown again without computing."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from whitesquare._base.formats import other_form
from whitesquare._base.schema import build, decode
from whitesquare._base.strictjson import parse
from whitesquare.data.gallery import read_gallery
from whitesquare.errors import DataError
from whitesquare.gating.types import Verdict
from whitesquare.jobs.results import read_results
from whitesquare.jobs.runs import GALLERY
from whitesquare.records import Measurement, VictimResult
from whitesquare.report.drill.page import JSON as DRILL
from whitesquare.report.gate.text import FORMAT as GATE
from whitesquare.scanning.files import FORMAT
from whitesquare.scanning.stored import StoredScan, read_stored
from whitesquare.study.bench.store import RESULTS
from whitesquare.study.bench.types import BenchResult
from whitesquare.study.drill_types import DrillResult
from whitesquare.types import Gallery


@dataclass(frozen=True)
class Measured:
    """A measurement, with its pictures where they lie beside it."""

    measurement: Measurement
    gallery: Gallery | None


Stored = StoredScan | Measured | tuple[VictimResult, ...] | DrillResult | BenchResult | Verdict
T = TypeVar("T")


def read_any(path: Path, baseline: Path | None = None) -> Stored:
    """Read what a verb has written: a folder of a run, a demo, a drill or a bench, or a JSON file.

    Args:
        path: the folder or file.
        baseline: of a run, folder of a measured model trained on clean data, as the first row.

    Raises:
        DataError: it is none of them, or is damaged.
        NothingToDoError: a run without measured victims.
    """
    if path.is_dir():
        if (path / DRILL).is_file():
            return _decoded(DrillResult, path / DRILL)
        if (path / RESULTS).is_file():
            return _decoded(BenchResult, path / RESULTS)
        return Measured(*read_results(path, baseline))
    if not path.exists():
        raise DataError(f"There is no file or folder {path}; give one that whitesquare wrote, such as scan.json.")
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read as a result: {error!s:.200}; give a folder or a JSON file that whitesquare wrote."
        ) from error
    if isinstance(found, dict) and found.get("format") == FORMAT:
        return read_stored(path)
    if isinstance(found, dict) and found.get("format") == GATE:
        return build(Verdict, parse(text), where=f"{path} is not a verdict of `whitesquare gate`", others=True)
    if isinstance(found, list) and found and all(_is(VictimResult, one) for one in found):
        return tuple(decode(VictimResult, json.dumps(one), where=str(path)) for one in parse(text))
    if _is(VictimResult, found):
        return (decode(VictimResult, text, where=str(path)),)
    if _is(Measurement, found):
        gallery = path.parent / GALLERY
        measurement = decode(Measurement, text, where=str(path))
        return Measured(measurement, read_gallery(gallery) if gallery.is_file() else None)
    if _is(DrillResult, found):
        return _decoded(DrillResult, path)
    if _is(BenchResult, found):
        return _decoded(BenchResult, path)
    said = found.get("format") if isinstance(found, dict) else None
    for form in (FORMAT, GATE):
        if isinstance(said, str) and said.rpartition(" ")[0] == form.rpartition(" ")[0]:
            raise DataError(f"{path} cannot be shown: {other_form(said, form)}.")
    raise DataError(
        f"{path} is no result that can be shown again; expected a JSON file of scan, measure, report, demo, drill, "
        "bench or gate, or a folder of a run, a demo, a drill or a bench."
    )


def _decoded(kind: type[T], path: Path) -> T:
    return decode(kind, path.read_text(encoding="utf-8"), where=str(path))


def _is(kind: type[Any], found: Any) -> bool:
    """Tell by its fields what a record is; three of four are enough, so that a damaged one is called by its name."""
    names = {item.name for item in fields(kind)}
    return isinstance(found, dict) and 4 * len(names & set(found)) >= 3 * len(names)
