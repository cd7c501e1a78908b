"""Folders inside class folders: how deep they are looked into, and what their names must not say; no NumPy."""

import re
from collections.abc import Sequence

DEPTH = 64
"""Folders are entered down to this depth below the root; a data set needs two or three."""

SPLIT = re.compile(r"(?:train|test|val|valid|validation|dev|eval)(?:ing)?(?:[-_ ]?(?:set|data|images|split))?", re.I)
"""What a folder of a split is called, by us and by others."""


def is_hidden(folder: str) -> bool:
    """Tell whether a folder, a path below the data set, is one that no loader looks into, or lies in one."""
    return any(step.startswith(".") for step in folder.split("/"))


def split_inside(steps: Sequence[str]) -> tuple[str, str]:
    """Say what is wrong with images in folders inside a class folder if one of these is called as a split is.

    Images for testing would be read as images to be trained on.

    Args:
        steps: names of the folders from the class folder on down; a class folder alone may be called anything.

    Returns:
        What follows the path in a sentence, and what to do; both are empty where nothing is wrong.
    """
    called = next((step for step in steps if SPLIT.fullmatch(step)), "") if len(steps) > 1 else ""
    if not called:
        return "", ""
    if called == steps[0]:
        return (
            "holds images in folders inside a class folder that is called as a split is",
            "give the path of one split, lay them down as train/CLASS and test/CLASS, or rename it if it is a class",
        )
    return (
        f"holds images inside a class folder in one that is called as a split is ({called!r}), and images for testing "
        "would be read as those for training",
        f"move those of a split to a folder outside, as train/{steps[0]} and test/{steps[0]}, or rename it if it is "
        "none",
    )
