"""Attacks, triggers, detectors and data sources that other packages bring, found by their entry points.

Ours come first, and what another package brings is imported when its name is asked for, never before. Importing it runs
code of an installed package, which whoever installed it trusts. Nothing that verifies or decides asks for any.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, distributions
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from whitesquare._base.promises import refuse_unless, require_methods
from whitesquare.errors import ContractError, WhitesquareError, unknown_name

if TYPE_CHECKING:  # it loads NumPy
    from whitesquare.types import DatasetSource

Thing = TypeVar("Thing")
Package = tuple[str, str]
"""Name and version."""
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Brought(Generic[Thing]):
    """What another package brings under a name.

    Attributes:
        name: as it is asked for; text of others.
        package: name and version of the package, of each that brings one of that name.
        thing: what it is; ``None`` if it is refused.
        fault: why it is refused, in one sentence; empty if it is not.
    """

    name: str
    package: str
    thing: Thing | None
    fault: str = ""


class Registry(Generic[Thing]):
    """Everything of one kind by its name: ours, and what other packages bring in the group ``whitesquare.KINDs``."""

    def __init__(
        self,
        kind: str,
        own: Mapping[str, Thing],
        admit: Callable[[Any], Thing],
        reserved: Collection[str] = (),
    ) -> None:
        """Store what is ours.

        Args:
            kind: ``attack``, ``trigger``, ``detector`` or ``source``.
            own: ours, by name; nobody can replace one.
            admit: makes of what an entry point names what is registered, or raises for a contract that is broken.
            reserved: names that mean something else.
        """
        self.kind, self.own, self._admit, self._reserved = kind, own, admit, reserved
        self._loaded: dict[str, Thing] = {}

    @property
    def loaded(self) -> tuple[Thing, ...]:
        """What was asked for so far of other packages."""
        return tuple(self._loaded.values())

    def __getitem__(self, name: str) -> Thing:
        """Return what has that name, ours first.

        Raises:
            UsageError: nothing has, with the nearest name.
            ContractError: another package brings it, and it is broken.
        """
        if name in self.own:
            return self.own[name]
        if name not in self._loaded:
            if name not in self._found:
                raise unknown_name(self.kind, name, self.names)
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, ours first, without importing anything."""
        return (*self.own, *self._found)

    def knows(self, name: str) -> bool:
        """Tell whether something has that name, without importing it."""
        return name in self.own or name in self._found

    def brought(self) -> Iterator[Brought[Thing]]:
        """Import everything that other packages bring, in order of the names; what is broken says so."""
        for name, entries in self._found.items():
            packages = " and ".join(" ".join(package) for package, _ in entries)
            try:
                thing = self._load(name) if name in self.own else self[name]
                yield Brought(name, packages, thing)
            except WhitesquareError as error:
                yield Brought(name, packages, None, str(error))

    def versions(self, names: Iterable[str]) -> dict[str, str]:
        """Return by package the version of each that brings one of the names and is none of ours."""
        return dict(package for name in names if name not in self.own for package, _ in self._found.get(name, ()))

    @cached_property
    def _found(self) -> dict[str, list[tuple[Package, EntryPoint]]]:
        """By name, the packages that bring it."""
        found: dict[str, list[tuple[Package, EntryPoint]]] = {}
        for package, entry in _entries(f"whitesquare.{self.kind}s"):
            found.setdefault(entry.name, []).append((package, entry))
        return dict(sorted(found.items()))

    def _load(self, name: str) -> Thing:
        (package, entry), *others = self._found[name]
        what = f"The {self.kind} {name!r} of the package {' '.join(package)!r} (entry point {entry.value!r})"
        if others:
            raise ContractError(
                f"{what} is refused: the package {' '.join(others[0][0])!r} brings one of that name too (entry point "
                f"{others[0][1].value!r}); expected one, so uninstall the package you do not want."
            )
        taken = name in self.own or name in self._reserved
        if taken or not _NAME.fullmatch(name):
            why = "whitesquare uses that name itself" if taken else "a name has small letters, digits and dashes only"
            raise ContractError(f"{what} is refused: {why}; its authors must choose another.")
        try:
            with redirect_stdout(sys.stderr):  # what it prints is no result
                thing = self._admit(entry.load())
            said = getattr(thing, "name", None)
            refuse_unless(said == name, thing, f"must have the name of its entry point, {name!r}; got {said!r:.80}")
        except (Exception, SystemExit) as error:  # whatever it does, the package is told by its name
            reason = str(error) if isinstance(error, ContractError) else f"{type(error).__name__}: {error}"
            short = " ".join(reason.split())[:400].rstrip(".")
            raise ContractError(
                f"{what} is refused: {short}. Update or uninstall the package, or tell its authors."
            ) from error
        return thing


def _entries(group: str) -> Iterator[tuple[Package, EntryPoint]]:
    """Yield name and version of each package with what it brings; of two copies of a package the first counts."""
    seen = set()
    for package in distributions():
        try:
            if f"[{group}]" not in (package.read_text("entry_points.txt") or ""):
                continue
            name, entries = package.name, package.entry_points.select(group=group)
        except Exception:  # noqa: BLE001, S112 - a package whose record is damaged brings nothing, and stops nobody
            continue
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key not in seen:
            seen.add(key)
            yield from (((name, package.version), entry) for entry in entries)


def admit_source(kind: Callable[[], "DatasetSource"]) -> "DatasetSource":
    """Make a data source and check that it has all its parts."""
    source = kind()
    require_methods(source, "recognises", "splits", "open")
    return source


PLUGIN_SOURCES: "Registry[DatasetSource]" = Registry(
    "source", {}, admit_source, ("mnist", "idx", "npz", "cifar10", "cifar100", "folder", "png-folder")
)
"""Kinds of data sets of other packages."""
