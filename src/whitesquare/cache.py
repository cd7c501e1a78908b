"""Results kept between runs, keyed by the content they came from; never a partial one, never a stale one.

A key holds the digest of the data, every parameter, and the digest of the code that computes: change any of them and
the result is computed anew. A file appears under its name only when it is complete, and its own digest is checked
when it is read, so a killed run or a damaged disk costs time and never a wrong number.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import whitesquare
from whitesquare.jsonio import whole_file

Arrays = dict[str, NDArray[Any]]
_log = logging.getLogger(__name__)
_CODE = (
    "attacks",
    "augment.py",
    "data",
    "executor",
    "label_check.py",
    "models.py",
    "recipes.py",
    "train.py",
    "triggers",
)


@dataclass(frozen=True)
class Cache:
    """A folder of results.

    Attributes:
        folder: where they are; ``None`` keeps nothing.
        hits: kinds of results that were found by this object, in order; for telling the user.
        misses: kinds of results that had to be computed.
    """

    folder: Path | None
    hits: list[str] = field(default_factory=list, compare=False)
    misses: list[str] = field(default_factory=list, compare=False)

    def arrays(self, kind: str, key: dict[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """Return the arrays kept under ``key``, or compute and keep them.

        Args:
            kind: name of the sub-folder, e.g. ``"poison"``.
            key: everything the result depends on, besides the code; JSON values.
            compute: called if nothing (or nothing readable) is kept.
        """
        if self.folder is None:
            return compute()
        text = json.dumps([whitesquare.__version__, code_digest(), kind, key], sort_keys=True)
        path = self.folder / kind / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
        found = _read(path)
        if found is not None:
            self.hits.append(kind)
            return found
        self.misses.append(kind)
        result = compute()
        _write(path, result)
        return result


no_cache = Cache(None)


def default_cache() -> Cache:
    """Return the user's cache: ``$WHITESQUARE_CACHE``, else ``$XDG_CACHE_HOME/whitesquare``, else under the home."""
    if named := os.environ.get("WHITESQUARE_CACHE"):
        return Cache(Path(named))
    base = os.environ.get("XDG_CACHE_HOME")
    return Cache((Path(base) if base else Path.home() / ".cache") / "whitesquare")


@lru_cache
def code_digest() -> str:
    """Return the SHA-256 of the source files that decide a cached result."""
    root = Path(whitesquare.__file__).parent
    digest = hashlib.sha256()
    for name in _CODE:
        path = root / name
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}:{arrays[name].dtype}:{arrays[name].shape};".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _write(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        with whole_file(path) as part:
            part.write_bytes(save(contiguous, metadata={"digest": _digest(contiguous)}))
    except OSError as error:
        _log.warning("The result could not be kept at %s (%s); it will be computed again next time.", path, error)


def _read(path: Path) -> Arrays | None:
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            kept = (file.metadata() or {}).get("digest")
    except (SafetensorError, OSError) as error:
        _log.warning("The kept result %s is unreadable (%s); computing it anew.", path, error)
        return None
    if _digest(arrays) != kept:
        _log.warning("The kept result %s does not have the digest it was written with; computing it anew.", path)
        return None
    return arrays
