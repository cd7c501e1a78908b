"""Models of a scan's own, kept in its folder: a scan that is taken up again trains nothing twice."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from whitesquare._base.schema import build
from whitesquare.data.kept import ArrayFile, kept_whole, write_kept
from whitesquare.detectors.types import Evidence
from whitesquare.records import CARD, WEIGHTS, Estimate
from whitesquare.scanning.gather import Gathered
from whitesquare.scanning.learned import HeldOut
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.reading import named
from whitesquare.scanning.sharded.samples import StoredSamples
from whitesquare.scanning.sharded.scoring import weights_key

_ARRAYS = ("losses", "features", "logits")


def trained_once(
    samples: StoredSamples, evidence: Evidence, settings: ScanSettings, folder: Path, train: Callable[[], Gathered]
) -> Gathered:
    """Return what was gathered of a group by models of the scan's own: kept from before, or trained now and kept.

    Args:
        samples: all of them.
        evidence: the group that they learn, with nothing that a model says of it.
        settings: of the scan.
        folder: likewise.
        train: gathers it anew.
    """
    path = named(folder, "trained", samples.digest, str(settings.seed), repr(settings.recipe), settings.device)
    if (kept := kept_whole(path)) is not None and (found := _read(kept, evidence, settings)) is not None:
        return found
    found = train()
    _keep(path, found)
    return found


def _keep(path: Path, found: Gathered) -> None:
    """Write models and what they say; what no model of ours says is not kept."""
    from whitesquare.learning.classifier import OwnClassifier
    from whitesquare.learning.models import Model, save_model
    from whitesquare.scanning.model import Witness

    models = []
    for number, asked in enumerate(found.models):
        one = asked.model if isinstance(asked, Witness) else asked
        if not isinstance(one, OwnClassifier) or one.card is None:
            return
        place = path.with_name(f"{path.stem}-{number}")
        save_model(Model(one.network, one.card), place)
        recipe = asdict(one.recipe)
        digests = [weights_key(place / name) for name in (WEIGHTS, CARD)]
        models.append({"place": place.name, "recipe": recipe, "digests": digests})
    arrays = {name: value for name in _ARRAYS if (value := getattr(found.evidence, name)) is not None}
    said: dict[str, Any] = {
        "models": models,
        "mode": found.mode,
        "why": found.why,
        "undecided": found.undecided,
        "trained": found.trained,
        "warnings": list(found.warnings),
        "learned": None if found.learned is None else asdict(found.learned),
        "beyond": None if found.beyond is None else asdict(found.beyond),
    }
    write_kept(path, arrays, json.loads(json.dumps(said)))


def _read(kept: ArrayFile, evidence: Evidence, settings: ScanSettings) -> Gathered | None:
    """Return what was kept; ``None`` where a model is not what was written."""
    from whitesquare.learning.classifier import own_classifier
    from whitesquare.learning.device import resolve
    from whitesquare.learning.models import load_model
    from whitesquare.learning.recipes import Recipe

    said, where, models = kept.said, str(kept.path), []
    for one in said["models"]:
        place = kept.path.with_name(one["place"])
        try:
            if [weights_key(place / name) for name in (WEIGHTS, CARD)] != one["digests"]:
                return None
        except OSError:
            return None
        loaded = load_model(place).on(resolve(settings.device))
        models.append(own_classifier(loaded, recipe=build(Recipe, one["recipe"], where=where)))
    losses, features, logits = (kept.array(name) if name in kept.layout else None for name in _ARRAYS)
    first = models[0] if models else None
    evidence = replace(evidence, model=first, losses=losses, features=features, logits=logits)
    return Gathered(
        evidence,
        said["mode"],
        models=models,
        why=said["why"],
        learned=None if said["learned"] is None else build(Estimate, said["learned"], where=where),
        beyond=None if said["beyond"] is None else build(HeldOut, said["beyond"], where=where),
        undecided=said["undecided"],
        trained=said["trained"],
        warnings=tuple(said["warnings"]),
    )
