"""Victims as folders: train one on a data set, measure one where it lies."""

from pathlib import Path

from whitesquare.data import open_dataset
from whitesquare.errors import UsageError
from whitesquare.folders import check_output, output_folder
from whitesquare.jsonio import encode, write_text
from whitesquare.measure import measure, prepare
from whitesquare.models import CARD, WEIGHTS, load_model, save_model
from whitesquare.recipes import Recipe
from whitesquare.runs import VICTIM, find_run, read_manifest
from whitesquare.train import train
from whitesquare.triggers import parse_trigger
from whitesquare.types import Progress, VictimResult, silent


def make_victim(
    source: str, folder: Path, recipe: Recipe, *, seed: int, device: str = "cpu", on_progress: Progress = silent
) -> None:
    """Train a model on a data set and write its folder, whole or not at all.

    Args:
        source: data set, as :func:`whitesquare.data.open_dataset` takes it; a run folder is one.
        folder: where; see :func:`whitesquare.folders.check_output`.
        recipe: what to train and how.
        seed: of the training.
        device: ``cpu`` or ``cuda``.
        on_progress: told the number of finished steps.
    """
    check_output(folder)
    known = source if source == "mnist" else str(Path(source).resolve())
    model = train(open_dataset(source), recipe, seed=seed, source=known, device=device, on_progress=on_progress)
    with output_folder(folder, "model", (WEIGHTS, CARD, VICTIM)) as part:
        save_model(model, part)


def measure_victim(
    folder: Path, *, trigger: str | None = None, target: int | None = None, data: str | None = None
) -> VictimResult:
    """Measure a model folder and keep the result in it for the report.

    Trigger, target and test images default to those of the run the model lies in; test images, failing that, to the
    data set the model was trained on.

    Raises:
        UsageError: no trigger or target is given and the model lies in no run; or the target is no class.
        DataError: the model or the test images cannot be read.
    """
    model = load_model(folder)
    run = find_run(folder)
    manifest = read_manifest(run) if run else None
    if manifest is not None:
        trigger = manifest.trigger if trigger is None else trigger
        target = manifest.target if target is None else target
    if trigger is None or target is None:
        raise UsageError(
            f"{folder} does not lie in a run folder, so its trigger and target are not known; give them: "
            "--trigger patch:size=2,corner=br,margin=1 --target 0"
        )
    if not 0 <= target < len(model.card.classes):
        raise UsageError(f"The target class must be in 0..{len(model.card.classes) - 1}; got {target}.")
    source = data or (str(run) if run else model.card.source)
    test = prepare(open_dataset(source, "test"), parse_trigger(trigger), target)
    if len(test.classes) != len(model.card.classes):
        raise UsageError(
            f"The model knows {len(model.card.classes)} classes and the test images of {source} have "
            f"{len(test.classes)}; measure it on the data it was made for."
        )
    result = measure(model, test)
    write_text(folder / VICTIM, encode(result))
    return result
