"""A registry with one detector, for tests that must not depend on which detectors there are."""

import sys
from types import ModuleType
from typing import ClassVar

import pytest

from whitesquare.errors import unknown_name


class Square:
    """Not what is shown: the module's text is."""

    name: ClassVar[str] = "square"
    rule_id: ClassVar[str] = "SQ01"
    family: ClassVar[str] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"images", "features"})


TEXT = """Squares: one place is the same in every image.

Citation: nobody, "On ``squares``", 2026.
Cost: one pass over the pixels, so little that it can run on
everything; see :func:`~numpy.mean`.
Failure modes: a [watermark](http://evil).

- a list
- stays a list
"""


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the registry and its detector's module where the package looks for them."""
    own = ModuleType("whitesquare.detectors.square", TEXT)
    registry = ModuleType("whitesquare.detectors.registry")

    def find_rule(text: str) -> Square:
        if text.lower() not in ("square", "sq01"):
            raise unknown_name("detector or rule", text, ["square", "SQ01"])
        return Square()

    registry.find_rule = find_rule  # type: ignore[attr-defined]
    patch.setattr(Square, "__module__", own.__name__)
    patch.setitem(sys.modules, own.__name__, own)
    patch.setitem(sys.modules, registry.__name__, registry)
