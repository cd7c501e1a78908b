"""A tree of real PNG files, and what somebody does to it: the truth that a diff must find."""

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

CLASSES = ("cat", "dog", "owl", "yak")
KINDS = ("changed", "added", "removed", "relabelled", "renamed", "moved")
"""Kinds of edits; ``moved`` is to the other split under the same name, which a diff calls renamed."""


def make_tree(root: Path, count: int, seed: int = 0) -> None:
    """Write different PNG files into ``root/{train,test}/CLASS/00042.png``."""
    draw = random.Random(seed)
    for split in ("train", "test"):
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
    for number in range(count):
        split = "test" if number % 5 == 0 else "train"
        Image.frombytes("L", (6, 6), draw.randbytes(36)).save(root / split / draw.choice(CLASSES) / f"{number:05}.png")


@dataclass
class Truth:
    """What was done, by kind, as `verify -o json` writes it."""

    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    relabelled: list[list[str]] = field(default_factory=list)
    renamed: list[list[str]] = field(default_factory=list)

    def sorted(self) -> dict[str, list]:
        return {kind: sorted(found) for kind, found in vars(self).items()}


def tamper(root: Path, count: int, kinds: tuple[str, ...], seed: int) -> Truth:
    """Edit ``count`` files of a tree, each once, and say what was done."""
    draw = random.Random(seed)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    truth = Truth()
    for number, id in enumerate(draw.sample(files, count)):
        _edit(root, id, draw.choice(kinds), number, draw, truth)
    return truth


def _edit(root: Path, id: str, kind: str, number: int, draw: random.Random, truth: Truth) -> None:
    split, label, name = id.split("/")
    path = root / id
    if kind == "changed":
        path.write_bytes(flipped(path.read_bytes(), draw))
        truth.changed.append(id)
    elif kind == "removed":
        path.unlink()
        truth.removed.append(id)
    elif kind == "added":
        new = draw.choice((f"{split}/{label}/new-{number}.png", f"{split}/{label}/.{number}", f".git/{number}.png"))
        (root / new).parent.mkdir(exist_ok=True)
        (root / new).write_bytes(b"new %d" % number)
        truth.added.append(new)
    elif kind == "relabelled":
        other = draw.choice([one for one in CLASSES if one != label])
        new = f"{draw.choice((split, 'train', 'test'))}/{other}/{draw.choice((name, f'r{number}.png'))}"
        shutil.move(path, root / new)
        truth.relabelled.append([id, label, other])
    else:
        new = f"{split}/{label}/r{number}.png"
        if kind == "moved":
            new = f"{'test' if split == 'train' else 'train'}/{label}/{name}"
        shutil.move(path, root / new)
        truth.renamed.append([id, new])


def flipped(data: bytes, draw: random.Random) -> bytes:
    """Return the bytes with one bit of them the other way round."""
    place = draw.randrange(8 * len(data))
    found = bytearray(data)
    found[place // 8] ^= 1 << place % 8
    return bytes(found)
