"""Results kept between runs, keyed by the content they came from; never a partial one, never a stale one.

A key holds the digest of the data, every parameter, the digest of the code that computes, and the versions of the
libraries that it calls: change any of them and the result is computed anew. A file appears under its name only when it
is complete, and its own digest is checked when it is read, so a killed run or a damaged disk costs time and never a
wrong number.

That digest is no signature: whoever can write a file can write its digest. So the folder is made for this user alone,
and nothing is believed that somebody else could have put there.
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

from whitesquare._base.files import whole_file
from whitesquare._base.machine import making_digest
from whitesquare._base.owned import NotOwnError, check_own, make_own, read_own, write_own

Arrays = dict[str, NDArray[Any]]
_log = logging.getLogger(__name__)
ROOMS = ("attacks", "data", "executor", "learning", "records", "study", "triggers", "types")
"""Those whose code decides a result that is kept."""


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
            key: everything the result depends on, besides the code and the versions of libraries; JSON values.
            compute: called if nothing (or nothing readable) is kept.
        """
        if self.folder is None:
            return compute()
        text = json.dumps([making_digest(ROOMS), kind, key], sort_keys=True)
        name = f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
        found = _read(self.folder, kind, name)
        if found is not None:
            self.hits.append(kind)
            return found
        self.misses.append(kind)
        result = compute()
        _write(self.folder, kind, name, result)
        return result


no_cache = Cache(None)


def default_cache() -> Cache:
    """Return the user's cache: ``$WHITESQUARE_CACHE``, else ``$XDG_CACHE_HOME/whitesquare``, else under the home."""
    if named := os.environ.get("WHITESQUARE_CACHE"):
        return Cache(Path(named))
    base = os.environ.get("XDG_CACHE_HOME")
    return Cache((Path(base) if base else Path.home() / ".cache") / "whitesquare")


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}:{arrays[name].dtype}:{arrays[name].shape};".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _write(folder: Path, kind: str, name: str, arrays: Arrays) -> None:
    from safetensors.numpy import save

    path = folder / kind / name
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        make_own(folder)
        make_own(folder / kind)
        check_own(folder, kind)
        with whole_file(path) as part:
            write_own(part, save(contiguous, metadata={"digest": _digest(contiguous)}))
    except NotOwnError as error:
        _warn(f"Nothing is kept in the cache {folder}: {error}.")
    except OSError as error:
        _log.warning("The result could not be kept at %s (%s); it will be computed again next time.", path, error)


@lru_cache(maxsize=1024)
def _warn(text: str) -> None:
    """Say a sentence once: the same folder is asked for every result."""
    _log.warning(text)


def _read(folder: Path, kind: str, name: str) -> Arrays | None:
    path = folder / kind / name
    try:
        content = read_own(folder, kind, name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NotOwnError as error:
        _warn(f"A kept result is not believed, and computed anew: {error}.")
        return None
    except OSError as error:
        _log.warning("The kept result %s is unreadable (%s); computing it anew.", path, error)
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(content)
        kept = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {}).get("digest")
    except (SafetensorError, ValueError) as error:
        _log.warning("The kept result %s is unreadable (%s); computing it anew.", path, error)
        return None
    if _digest(arrays) != kept:
        _log.warning("The kept result %s does not have the digest it was written with; computing it anew.", path)
        return None
    return arrays
