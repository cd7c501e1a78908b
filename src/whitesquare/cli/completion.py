"""What the shell completes: names of attacks, triggers, detectors, models and classes; never an error."""

from collections.abc import Callable, Iterable

import typer

_MOST = 200
"""Names shown at most; a shell asks before it shows more."""


def _quietly(known: Callable[[], Iterable[str]], begun: str, before: str = "") -> list[str]:
    """Return the names that begin so, none where they cannot be told: a prompt is no place for an error."""
    try:
        return [f"{before}{name}" for name in known() if name.startswith(begun)][:_MOST]
    except Exception:  # noqa: BLE001 - data, plug-ins and missing parts, whose errors belong to the verb
        return []


def _after_comma(known: Callable[[], Iterable[str]], begun: str) -> list[str]:
    before, comma, last = begun.rpartition(",")
    return _quietly(known, last, before + comma)


def _attacks() -> Iterable[str]:
    from whitesquare.attacks import KNOWN_ATTACKS

    return KNOWN_ATTACKS.names


def _detectors() -> Iterable[str]:
    from whitesquare.detectors.registry import KNOWN_DETECTORS

    return ("default", "all", *KNOWN_DETECTORS.names)


def attack_names(incomplete: str) -> list[str]:
    """Complete the name of an attack."""
    return _quietly(_attacks, incomplete)


def attack_lists(incomplete: str) -> list[str]:
    """Complete names of attacks with commas between them."""
    return _after_comma(_attacks, incomplete)


def detector_lists(incomplete: str) -> list[str]:
    """Complete names of detectors with commas between them."""
    return _after_comma(_detectors, incomplete)


def rule_names(incomplete: str) -> list[str]:
    """Complete the id of a rule, or the name of its detector."""

    def known() -> Iterable[str]:
        from whitesquare.detectors.registry import DETECTORS

        return (name for one in DETECTORS.items() for name in (one[0], one[1].rule_id))

    return _quietly(known, incomplete)


def trigger_names(incomplete: str) -> list[str]:
    """Complete the name of a trigger; its parameters follow after a colon."""

    def known() -> Iterable[str]:
        from whitesquare.triggers import KNOWN_TRIGGERS

        return KNOWN_TRIGGERS.names

    return _quietly(known, incomplete)


def recipe_names(incomplete: str) -> list[str]:
    """Complete the name of a victim family."""

    def known() -> Iterable[str]:
        from whitesquare.learning.recipes import VICTIMS

        return VICTIMS

    return _quietly(known, incomplete)


def class_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a class of the data set that was named before."""

    def known() -> Iterable[str]:
        from whitesquare.data import open_dataset

        # Where the option itself still lacks its value, what was typed before it was not given a name yet.
        typed = [context.params.get("source"), context.params.get("data"), *context.args[:1]]
        return next((open_dataset(named).classes for named in typed if named), ())

    return _quietly(known, incomplete)
