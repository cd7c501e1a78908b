"""What a drill has finished, kept in the cache run by run: a drill that is stopped goes on where it was."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from whitesquare._base.cache import Arrays, Cache
from whitesquare._base.machine import code_beside, making_digest
from whitesquare._base.schema import decode, encode
from whitesquare.data import dataset_digest
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.learning.device import resolve
from whitesquare.learning.train import effective_precision
from whitesquare.scanning.types import ScanResult
from whitesquare.study.bench.store import DECIDING
from whitesquare.study.drill_settings import DrillSettings
from whitesquare.study.drill_types import CleanRun, DrillRun
from whitesquare.types import ImageDataset

Made = TypeVar("Made", ScanResult, CleanRun, DrillRun)


class _Unsound(Exception):  # noqa: N818 - what was found is found, and is no error
    """Keeps what was found from being kept."""


@dataclass
class KeptRuns:
    """Finished scans by all that decides them.

    Attributes:
        cache: where they are kept; one without a folder keeps none.
        settings: of the drill.
        common: what decides all of them.
        taken: how many were there.
        crashed: detectors that did not finish in the last of them, and why; it counts, and is made again next time.
    """

    cache: Cache
    settings: DrillSettings
    common: dict[str, Any]
    taken: int = 0
    crashed: tuple[str, ...] = ()

    @classmethod
    def of(cls, cache: Cache, settings: DrillSettings, digest: str, test: ImageDataset | None) -> "KeptRuns":
        """Say what decides the scans of a drill on the data of a digest."""
        asked, device = settings.scan(0), resolve(settings.device)
        common = {
            "data": digest,
            "code": making_digest(DECIDING),
            "beside": code_beside(*(type(KNOWN_DETECTORS[name]) for name in asked.detectors)),
            "detectors": list(asked.detectors),
            "recipe": asdict(settings.recipe),
            "device": device,
            "precision": effective_precision("auto", device.split(":")[0]),
            "test": None if test is None or cache.folder is None else dataset_digest(test),
        }
        return cls(cache, settings, common)

    def scan(self, seed: int, make: Callable[[], ScanResult]) -> ScanResult:
        """Return the scan of the data as they are."""
        return self._take("scan", {"seed": seed}, ScanResult, make)

    def clean(self, seed: int, flagged: list[int], make: Callable[[], CleanRun]) -> CleanRun:
        """Return the scan of a clean resample, without the samples at some positions."""
        return self._take("clean", {"seed": seed, "flagged": flagged}, CleanRun, make)

    def run(self, attack: str, rate: float, seed: int, make: Callable[[], DrillRun]) -> DrillRun:
        """Return the run of an attack; what ``make`` raises is raised, and nothing is kept."""
        used = self.settings.attack(attack)
        said = {"attack": attack, "rate": rate, "seed": seed, "target": self.settings.target}
        said |= {"parameters": repr(used), "attack code": code_beside(type(used))}
        return self._take("run", said, DrillRun, make)

    def heard(self, found: ScanResult) -> ScanResult:
        """Take note of what a scan could not do, and return it."""
        self.crashed = tuple(f"{one.name}: {one.reason}" for one in found.runs if one.crashed)
        return found

    def _take(self, kind: str, said: dict[str, Any], record: type[Made], make: Callable[[], Made]) -> Made:
        made: list[Made] = []
        self.crashed = ()

        def compute() -> Arrays:
            made.append(make())
            if self.crashed:
                raise _Unsound
            return {"record": np.frombuffer(encode(made[0]).encode(), np.uint8)}

        with suppress(_Unsound):
            found = self.cache.arrays("drills", self.common | said | {"kind": kind}, compute)
        if made:
            return made[0]
        self.taken += 1
        return decode(record, found["record"].tobytes().decode(), where="what a drill before has kept")
