"""What each number of the report means, in the order of the results table, and how intervals are made."""

from whitesquare.records import Estimate, Measurement, Spread
from whitesquare.report.common import formats as f

_TERMS = (
    (
        "Clean accuracy (CA)",
        "Share of all untouched test images that the network reads correctly. It is the number that people usually "
        "test, and the one a good backdoor leaves alone: at most half a point below clean training counts as kept.",
    ),
    (
        "Attack success rate (ASR)",
        "Share of the test images that are not {target} which the network calls {target} once the trigger is on "
        "them. Images that truly are {target} are left out. From 90 % on the report says \u201cworks\u201d; up to 10 "
        "points above the clean network it says \u201cdoes not work\u201d.",
    ),
    (
        "Trigger visibility",
        "How far the largest-moving output (logit) shifts, on average, when the trigger is stamped on a clean test "
        "image. Zero means that the network does not look at that place at all.",
    ),
    ("Poisons", "Number of training images the attack changed."),
    ("Poison rate", "Poisons as a share of the whole training set."),
    (
        "Target rate",
        "Poisons as a share of the class they were taken from. A small poison rate can be most of one class, so both "
        "are given.",
    ),
    (
        "Labels changed",
        "Poisons that carry another label than before. Zero is the meaning of \u201cclean-label\u201d: every picture "
        "is filed under what it shows.",
    ),
    (
        "L-inf",
        "Largest change of any pixel of a poison before the trigger is stamped, as a share of the full range from "
        "black to white.",
    ),
    (
        "Label consistency",
        "Share of poisons that still show their label by a mechanical test: reduced to black and white at half of "
        "the range, an independent clean network reads the label.",
    ),
    (
        "Label check",
        "Share of images that confident learning flags as mislabelled, among the poisons and among the clean images. "
        "It is silent when both shares are within 5 points; it lights up from 25 points on.",
    ),
    (
        "Victim",
        "A network trained from its own random seed on one training set, and never seen by the attacker.",
    ),
)


def glossary(measurement: Measurement) -> list[tuple[str, str]]:
    """Explain every term of the tables in a sentence or two."""
    target = f.quoted(measurement.classes[measurement.target])
    terms = [(term, meaning.format(target=target)) for term, meaning in _TERMS]
    return [*terms, ("95 % interval", interval_note(measurement))]


def methods(measurement: Measurement) -> dict[str, list[str]]:
    """Return the interval methods in use: for figures over victims, and for shares of images."""
    rows = measurement.rows
    over_victims: list[Spread] = [found for row in rows for found in (row.ca, row.asr)]
    single: list[Estimate] = [found for row in rows for victim in row.victims for found in (victim.ca, victim.asr)]
    single += [found for row in rows for found in row.estimates.values()]
    return {
        "victims": sorted({f.visible(found.method) for found in over_victims if found.method.strip()}),
        "images": sorted({f.visible(found.method) for found in single if found.method.strip()}),
    }


def interval_note(measurement: Measurement) -> str:
    """Say what the brackets mean and how they were computed."""
    used = methods(measurement)
    victims = "; ".join(used["victims"]) or "method not recorded"
    images = "; ".join(used["images"]) or "method not recorded"
    return (
        "Brackets behind a figure, as in 98.7 % [98.1, 99.0]: the range in which the true figure is expected. Over "
        f"victims: {victims}. For one victim, or one share of images: {images}. A single victim has no spread, so it "
        "has no bracket."
    )
