"""The causal test: does the reconstructed trigger, pasted on images of other classes, turn the model to the class?

What separates a backdoor from a watermark that the model ignores is what it does. The trigger is pasted on images of
other classes; so are controls, made in the same way of samples of the same class that do not carry it (see
``controls.py``), because parts that are typical of a class move a model as well. Under exchangeability
``p = (1 + #{controls >= trigger}) / (1 + K)`` is exact (Phipson and Smyth 2010, arXiv:1603.05766).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from whitesquare._base.crew import Crew
from whitesquare._base.machine import usable_cores
from whitesquare.detectors.types import Evidence
from whitesquare.learning.estimates import share
from whitesquare.scanning.controls import controls_of
from whitesquare.scanning.faint import FAINT
from whitesquare.scanning.running import one_thread_each
from whitesquare.scanning.trigger import FoundTrigger
from whitesquare.scanning.types import Transplant
from whitesquare.types import Classifier, FloatArray, IntArray, UInt8Array

T = TypeVar("T")
AS_FOUND, FULL = "as found", "full"
_GAIN, _MOST = 2.5, 8.0
"""How much stronger an additive trigger is made at full strength, and the most that a patch is."""
_FAINT_LEVEL, _FAINT_GAIN = 12.0, 3.0
"""Mean grey level that a faint trigger is driven to, and the most that it is multiplied by."""
_BATCH = 4000
_ENOUGH = 6
"""Controls as good as the trigger after which the test stops: the p-value is then their share (Besag and Clifford
1991), still exact, and most candidates are no trigger."""


@dataclass(frozen=True)
class TransplantTest:
    """Settings of the test.

    Attributes:
        images: images of other classes that things are pasted on; as many again choose the strength.
        controls: number of controls K; the smallest p-value is 1 / (K + 1).
    """

    images: int = 200
    controls: int = 499

    def run(
        self,
        evidence: Evidence,
        model: Classifier,
        trigger: FoundTrigger,
        label: int,
        carriers: IntArray,
    ) -> Transplant | None:
        """Test one trigger on one model; ``None`` if there is nothing to paste on or no control.

        The strength is chosen on other images than those of the test.
        """
        others, unflagged = self._others(evidence, label), np.setdiff1d(evidence.members(label), carriers)
        if len(others) < 2 or len(unflagged) < 1:
            return None
        rng = np.random.default_rng(evidence.seed)
        tested = np.array_split(others, 2)[1]
        rates = self.flip_rates(evidence, model, trigger, label)
        strength = max(rates, key=lambda name: rates[name])
        factor = strengths(trigger)[strength]
        base = evidence.images[tested]
        hits = round(_flips(model, paste(base, trigger, factor, rng), label) * len(base))
        rate = hits / len(base)
        found = controls_of(evidence, label, carriers, trigger, self.controls, rng)
        pasted = (paste(base, one, strengths(one)[strength] if one.kind == FAINT else factor, rng) for one in found)
        controls = self._rates(evidence, model, pasted, label, rate)
        beaten = int((controls >= rate).sum())
        p_value = beaten / len(controls) if beaten >= _ENOUGH else (1 + beaten) / (1 + len(controls))
        return Transplant(
            flip_rate=share("flip_rate", hits, len(base)),
            untouched_rate=_flips(model, base, label),
            control_mean=float(controls.mean()),
            control_worst=float(controls.max()),
            controls=len(controls),
            p_value=p_value,
            strength=strength,
        )

    def flip_rates(self, evidence: Evidence, model: Classifier, trigger: FoundTrigger, label: int) -> dict[str, float]:
        """Return the share of the choosing images that each strength turns; empty if there is none to paste on."""
        chosen = evidence.images[np.array_split(self._others(evidence, label), 2)[0]]
        if not len(chosen):
            return {}
        rng = np.random.default_rng(evidence.seed)
        return {
            name: _flips(model, paste(chosen, trigger, factor, rng), label)
            for name, factor in strengths(trigger).items()
        }

    def _others(self, evidence: Evidence, label: int) -> IntArray:
        rng = np.random.default_rng([evidence.seed, label])
        return rng.permutation(np.flatnonzero(evidence.labels != label))[: 2 * self.images]

    def _rates(
        self, evidence: Evidence, model: Classifier, pasted: Iterator[UInt8Array], label: int, rate: float
    ) -> FloatArray:
        """Return the flip rate of every control, up to the one with which the trigger is beaten often enough."""
        rates: list[float] = []
        beaten = 0

        def turned(some: list[UInt8Array]) -> FloatArray:
            answers = model.logits(np.concatenate(some)).argmax(1).reshape(len(some), -1)
            shares: FloatArray = (answers == label).mean(1, dtype=np.float32)
            return shares

        batches, cores = _together(pasted, max(1, _BATCH // self.images)), max(1, usable_cores())
        with Crew(cores, one_thread_each) as crew:
            for several in _together(batches, cores):
                for found in np.concatenate(list(crew.map(turned, several))):
                    rates.append(float(found))
                    beaten += found >= rate
                    if beaten >= _ENOUGH:
                        return np.array(rates, np.float32)
                evidence.on_progress(f"testing {evidence.classes[label]}", len(rates), max(self.controls, len(rates)))
        return np.array(rates, np.float32)


def _together(things: Iterator[T], count: int) -> Iterator[list[T]]:
    while some := list(islice(things, count)):
        yield some


def strengths(trigger: FoundTrigger) -> dict[str, float]:
    """Return by how much a trigger's contrast with the usual pixels is multiplied: as found, and to the range's end."""
    if trigger.kind == "field":
        return {AS_FOUND: 1.0, FULL: _GAIN}
    if trigger.kind == FAINT:
        level = max(float(np.abs(trigger.pattern).mean()), 1e-6)
        return {AS_FOUND: 1.0, FULL: min(_FAINT_GAIN, max(1.0, _FAINT_LEVEL / level))}
    if trigger.kind == "roaming":
        return {AS_FOUND: 1.0}
    change = (trigger.pattern - trigger.usual)[:, trigger.mask > 0]
    room = np.where(change > 0, 255 - trigger.usual[:, trigger.mask > 0], trigger.usual[:, trigger.mask > 0])
    factors = room / np.maximum(np.abs(change), 1)
    return {AS_FOUND: 1.0, FULL: float(np.clip(np.median(factors), 1, _MOST))}


def paste(images: UInt8Array, trigger: FoundTrigger, factor: float, rng: np.random.Generator) -> UInt8Array:
    """Paste a trigger on copies of ``images`` ``(B, C, H, W)``, its contrast multiplied by ``factor``."""
    if trigger.kind in ("field", FAINT):
        return np.clip(np.rint(images + factor * trigger.pattern), 0, 255).astype(np.uint8)
    mask = trigger.mask > 0
    driven = trigger.usual + factor * (trigger.pattern - trigger.usual)
    pixels = np.clip(np.rint(driven), 0, 255).astype(np.uint8)
    if trigger.kind == "roaming":
        return _scattered(images, mask, pixels, rng)
    pasted = images.copy()
    pasted[:, :, mask] = pixels[:, mask]
    return pasted


def _scattered(
    images: UInt8Array,
    mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    pixels: UInt8Array,
    rng: np.random.Generator,
) -> UInt8Array:
    """Paste the masked pixels at a random place in every image."""
    rows, columns = np.nonzero(mask)
    top, left = rows.min(), columns.min()
    rows, columns = rows - top, columns - left
    pasted = images.copy()
    down = rng.integers(0, images.shape[2] - rows.max(), len(images))
    right = rng.integers(0, images.shape[3] - columns.max(), len(images))
    values = pixels[:, rows + top, columns + left]
    for number in range(len(images)):
        pasted[number][:, rows + down[number], columns + right[number]] = values
    return pasted


def _flips(model: Classifier, images: UInt8Array, label: int) -> float:
    return float((model.logits(images).argmax(1) == label).mean())
