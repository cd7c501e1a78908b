"""What there is: attacks, triggers, models, detectors, formats, by name, with one line and the parameters of each."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields

from whitesquare.attacks import ATTACKS, attack_parameters
from whitesquare.data import FORMATS
from whitesquare.detectors.registry import DETECTORS
from whitesquare.detectors.types import Detector
from whitesquare.learning.recipes import MODEL_SUMMARIES, VICTIMS, Recipe
from whitesquare.triggers import TRIGGERS, trigger_spec


def catalogue() -> dict[str, list[tuple[str, ...]]]:
    """Return, per kind of thing, rows of name, summary and (where it has any) parameters with their defaults."""
    return {
        "attacks": [
            (
                name,
                f"{_summary(type(attack))}{'' if attack.clean_label else ' (labels are changed)'}",
                _pairs(attack_parameters(attack)),
            )
            for name, attack in ATTACKS.items()
        ],
        "triggers": [
            (name, _summary(kind), _pairs({item.name: item.default for item in fields(kind)}))
            for name, kind in TRIGGERS.items()
        ],
        "models": list(MODEL_SUMMARIES.items()),
        "victims": [(name, family.summary, _pairs(_changes(family.recipe))) for name, family in VICTIMS.items()],
        "detectors": [
            (name, f"{one.rule_id}: {_summary(type(one))}", _pairs(_parameters(one))) for name, one in DETECTORS.items()
        ],
        "formats": list(FORMATS.items()),
    }


def as_json() -> str:
    """Return the catalogue as JSON: names to summary, clean-label flag and default parameters."""
    attacks = {
        name: {
            "summary": _summary(type(attack)),
            "clean_label": attack.clean_label,
            "trigger": trigger_spec(attack.trigger),
            "parameters": attack_parameters(attack),
        }
        for name, attack in ATTACKS.items()
    }
    triggers = {
        name: {"summary": _summary(kind), "parameters": {item.name: item.default for item in fields(kind)}}
        for name, kind in TRIGGERS.items()
    }
    victims = {name: {"summary": one.summary, "recipe": asdict(one.recipe)} for name, one in VICTIMS.items()}
    detectors = {
        name: {
            "rule": one.rule_id,
            "family": one.family,
            "summary": _summary(type(one)),
            "parameters": _parameters(one),
        }
        for name, one in DETECTORS.items()
    }
    found = {
        "attacks": attacks,
        "triggers": triggers,
        "models": MODEL_SUMMARIES,
        "victims": victims,
        "detectors": detectors,
        "formats": FORMATS,
    }
    return json.dumps(found, indent=2) + "\n"


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _parameters(detector: Detector) -> dict[str, object]:
    return {item.name: getattr(detector, item.name) for item in fields(detector)}  # type: ignore[arg-type]


def _changes(recipe: Recipe) -> dict[str, object]:
    """Return what a recipe does otherwise than the reference."""
    usual = asdict(Recipe())
    return {name: value for name, value in asdict(recipe).items() if value != usual[name]}


def _pairs(parameters: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in parameters.items())
