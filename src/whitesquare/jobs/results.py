"""What a folder on disk has to report: a demo's measurement, or the measured victims of a run; needs no torch."""

from pathlib import Path

from whitesquare._base.machine import machine, versions
from whitesquare._base.schema import decode
from whitesquare.data import has_test, open_dataset
from whitesquare.data.gallery import example_position, read_gallery
from whitesquare.errors import DataError, NothingToDoError
from whitesquare.jobs.runs import GALLERY, GROUND_TRUTH, read_config, read_manifest
from whitesquare.records import VICTIM, Measurement, VictimResult
from whitesquare.study.rows import make_row
from whitesquare.types import Gallery

MEASUREMENT = "measurement.json"


def read_results(folder: Path, baseline: Path | None = None) -> tuple[Measurement, Gallery]:
    """Put together what a folder holds.

    Args:
        folder: written by ``demo`` or ``poison``.
        baseline: folder of a measured model trained on clean data, as the first row.

    Raises:
        DataError: the folder is neither, or is damaged.
        NothingToDoError: a run without measured victims, or a baseline that was not measured.
    """
    measured = folder / MEASUREMENT
    if measured.is_file():
        text = measured.read_text(encoding="utf-8")
        return decode(Measurement, text, where=str(measured)), read_gallery(folder / GALLERY)
    config, manifest = read_config(folder), read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} is not a run folder: {GROUND_TRUTH} is missing; make one with `whitesquare poison`.")
    victims = _victims(folder)
    rows = [make_row(config.attack, manifest, victims)]
    if baseline is not None:
        rows.insert(0, make_row("clean", None, [_victim(baseline / VICTIM)]))
    train = open_dataset(folder)
    test = open_dataset(folder, "test") if has_test(folder) else train
    measurement = Measurement(
        source=config.source,
        classes=train.classes,
        target=manifest.target,
        trigger=victims[0].trigger,
        model=victims[0].model,
        train_size=len(train.labels),
        test_size=len(test.labels),
        rows=tuple(rows),
        example_label=test.classes[int(test.labels[example_position(test.labels, manifest.target)])],
        versions=versions(),
        machine=machine(),
    )
    return measurement, read_gallery(folder / GALLERY)


def _victims(folder: Path) -> list[VictimResult]:
    found = [_victim(path) for path in sorted(folder.glob(f"*/{VICTIM}"))]
    if not found:
        raise NothingToDoError(
            f"{folder} holds no measured victim; run `whitesquare train {folder} --seed 7 -o {folder}/victim-7` and "
            f"`whitesquare measure {folder}/victim-7` first."
        )
    return sorted(found, key=lambda victim: victim.seed)


def _victim(path: Path) -> VictimResult:
    if not path.is_file():
        raise NothingToDoError(
            f"{path.parent} was not measured; run `whitesquare measure {path.parent}`, with --trigger and --target for "
            "a model outside a run."
        )
    return decode(VictimResult, path.read_text(encoding="utf-8"), where=str(path))
