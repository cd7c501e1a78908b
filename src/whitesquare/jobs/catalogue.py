"""What there is: attacks, triggers, models, detectors, formats, by name, with one line and the parameters of each.

What other packages bring stands beside ours, with the package; what is refused stands at the end, with the reason.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from whitesquare.attacks import ATTACKS, KNOWN_ATTACKS, attack_parameters
from whitesquare.attacks.selection import SELECTIONS
from whitesquare.data import FORMATS
from whitesquare.detectors.registry import DETECTORS, KNOWN_DETECTORS
from whitesquare.detectors.types import Detector
from whitesquare.learning.recipes import MODEL_SUMMARIES, VICTIMS, Recipe
from whitesquare.plugins import PLUGIN_SOURCES, Registry
from whitesquare.triggers import KNOWN_TRIGGERS, TRIGGERS, trigger_spec
from whitesquare.types import Attack

Entries = dict[str, dict[str, Any]]
"""By name, what is said of it."""


def catalogue() -> dict[str, list[tuple[str, ...]]]:
    """Return, per kind of thing, rows of name, summary and (where it has any) parameters with their defaults."""
    return {kind: [_row(name, one) for name, one in entries.items()] for kind, entries in _all().items() if entries}


def as_json() -> str:
    """Return the catalogue as JSON: names to summary, clean-label flag and default parameters."""
    found: dict[str, Any] = _all()
    plain = {
        kind: {name: one["summary"] for name, one in found[kind].items()}
        for kind in ("selections", "models", "formats")
    }
    return json.dumps(found | plain, indent=2, default=repr) + "\n"


def _all() -> dict[str, Entries]:
    ours: dict[str, Entries] = {
        "attacks": {name: _attack(one) for name, one in ATTACKS.items()},
        "selections": {name: {"summary": _summary(one)} for name, one in SELECTIONS.items()},
        "triggers": {name: _trigger(one) for name, one in TRIGGERS.items()},
        "models": {name: {"summary": summary} for name, summary in MODEL_SUMMARIES.items()},
        "victims": {name: {"summary": one.summary, "recipe": asdict(one.recipe)} for name, one in VICTIMS.items()},
        "detectors": {name: _detector(one) for name, one in DETECTORS.items()},
        "formats": {name: {"summary": summary} for name, summary in FORMATS.items()},
        "sources": {},
        "refused": {},
    }
    registries: tuple[tuple[Registry[Any], Callable[[Any], dict[str, Any]]], ...] = (
        (KNOWN_ATTACKS, _attack),
        (KNOWN_TRIGGERS, _trigger),
        (KNOWN_DETECTORS, _detector),
        (PLUGIN_SOURCES, lambda source: {"summary": _summary(type(source))}),
    )
    for registry, describe in registries:
        for one in registry.brought():
            if one.fault:
                ours["refused"][f"{registry.kind} {one.name}"] = {"summary": one.fault, "package": one.package}
            else:
                ours[f"{registry.kind}s"][one.name] = describe(one.thing) | {"package": one.package}
    return ours


def _attack(attack: Attack) -> dict[str, Any]:
    return {
        "summary": _summary(type(attack)),
        "clean_label": attack.clean_label,
        "trigger": trigger_spec(attack.trigger),
        "parameters": attack_parameters(attack),
    }


def _trigger(kind: type[Any]) -> dict[str, Any]:
    known = {item.name: item.default for item in fields(kind) if item.default is not MISSING}
    return {"summary": _summary(kind), "parameters": known}


def _detector(detector: Detector) -> dict[str, Any]:
    return {
        "rule": detector.rule_id,
        "family": detector.family,
        "summary": _summary(type(detector)),
        "parameters": {item.name: getattr(detector, item.name) for item in fields(detector)},  # type: ignore[arg-type]
    }


def _row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    rule = f"{one['rule']}: " if "rule" in one else ""
    changed = "" if one.get("clean_label", True) else " (labels are changed)"
    package = f" (package {one['package']})" if "package" in one else ""
    said = f"{rule}{one['summary']}{changed}{package}"
    known = _changes(one["recipe"]) if "recipe" in one else one.get("parameters")
    return (name, said) if known is None else (name, said, " ".join(f"{key}={value}" for key, value in known.items()))


def _summary(kind: object) -> str:
    return next(iter((kind.__doc__ or "").strip().splitlines()), "").rstrip(".")


def _changes(recipe: Mapping[str, object]) -> dict[str, object]:
    """Return what a recipe does otherwise than the reference."""
    usual = asdict(Recipe())
    return {name: value for name, value in recipe.items() if value != usual[name]}
