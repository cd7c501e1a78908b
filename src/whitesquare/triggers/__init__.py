"""Triggers: pure functions on uint8 image batches, and the specs they are written as."""

from whitesquare.triggers.fields import Blend, Checkered, Ramp, Sinusoid, Warp
from whitesquare.triggers.patches import CORNERS, Checkerboard, Patch, RandomPatch
from whitesquare.triggers.pattern import NoTrigger, Pattern
from whitesquare.triggers.spec import KNOWN_TRIGGERS, TRIGGERS, Faded, faded, parse_trigger, trigger_spec, unfaded

__all__ = [
    "CORNERS",
    "KNOWN_TRIGGERS",
    "TRIGGERS",
    "Blend",
    "Checkerboard",
    "Checkered",
    "Faded",
    "NoTrigger",
    "Patch",
    "Pattern",
    "Ramp",
    "RandomPatch",
    "Sinusoid",
    "Warp",
    "faded",
    "parse_trigger",
    "trigger_spec",
    "unfaded",
]
