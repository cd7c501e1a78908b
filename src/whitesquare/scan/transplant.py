"""The causal test: does the reconstructed trigger, pasted on images of other classes, turn the model to the class?

What separates a backdoor from a watermark that the model ignores is what it does. The trigger is pasted on images of
other classes; so are controls, cut at the same place from samples of the same class that do not carry it, because parts
that are typical of a class move a model as well. Under exchangeability ``p = (1 + #{controls >= trigger}) / (1 + K)`` is
exact (Phipson and Smyth 2010, arXiv:1603.05766).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from whitesquare.detectors.types import Evidence
from whitesquare.estimates import share
from whitesquare.scan.trigger import FoundTrigger
from whitesquare.scan.types import Transplant
from whitesquare.types import FloatArray, IntArray, UInt8Array

if TYPE_CHECKING:
    from whitesquare.features import ScanModel

AS_FOUND, FULL = "as found", "full"
_FAINT = 16.0
"""Grey levels from the usual pixel below which a pixel is left alone when the contrast is driven to the end."""
_GAIN = 2.5
"""How much stronger an additive trigger is made at full strength."""
_BATCH = 4000


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
        model: "ScanModel",
        trigger: FoundTrigger,
        label: int,
        carriers: IntArray,
    ) -> Transplant | None:
        """Test one trigger on one model; ``None`` if there is nothing to paste on or no control.

        The strength is chosen on other images than those of the test.
        """
        rng = np.random.default_rng([evidence.seed, label])
        others = rng.permutation(np.flatnonzero(evidence.labels != label))
        unflagged = np.setdiff1d(evidence.members(label), carriers)
        if len(others) < 2 or len(unflagged) < 1:
            return None
        chosen, tested = np.array_split(others[: 2 * self.images], 2)
        rates = {}
        for strength in (AS_FOUND, FULL):
            pasted = paste(evidence.images[chosen], trigger, strength, rng)
            rates[strength] = _flips(model, pasted, label)
        strength = max(rates, key=lambda name: rates[name])
        base = evidence.images[tested]
        hits = round(_flips(model, paste(base, trigger, strength, rng), label) * len(base))
        sources = rng.choice(unflagged, min(self.controls, max(99, len(unflagged))), replace=len(unflagged) < 99)
        controls = self._controls(evidence, model, trigger, strength, base, label, sources)
        p_value = (1 + int((controls >= hits / len(base)).sum())) / (1 + len(controls))
        return Transplant(
            flip_rate=share("flip_rate", hits, len(base)),
            untouched_rate=_flips(model, base, label),
            control_mean=float(controls.mean()),
            control_worst=float(controls.max()),
            controls=len(controls),
            p_value=p_value,
            strength=strength,
        )

    def _controls(
        self,
        evidence: Evidence,
        model: "ScanModel",
        trigger: FoundTrigger,
        strength: str,
        base: UInt8Array,
        label: int,
        sources: IntArray,
    ) -> FloatArray:
        """Return the flip rate of every control."""
        rng = np.random.default_rng(evidence.seed)
        per_call = max(1, _BATCH // len(base))
        rates = []
        for start in range(0, len(sources), per_call):
            part = [
                paste(base, control(evidence.images[source], trigger), strength, rng)
                for source in sources[start : start + per_call]
            ]
            answers = model.logits(np.concatenate(part)).argmax(1).reshape(len(part), -1)
            rates += [float(rate) for rate in (answers == label).mean(1)]
            evidence.on_progress("transplanting controls", min(start + per_call, len(sources)), len(sources))
        return np.array(rates, np.float32)


def paste(images: UInt8Array, trigger: FoundTrigger, strength: str, rng: np.random.Generator) -> UInt8Array:
    """Paste a trigger on copies of ``images`` ``(B, C, H, W)``; at full strength, as far as the range allows."""
    if trigger.kind == "field":
        factor = _GAIN if strength == FULL else 1.0
        return np.clip(np.rint(images + factor * trigger.pattern), 0, 255).astype(np.uint8)
    mask, pattern = trigger.mask > 0, trigger.pattern
    if strength == FULL and trigger.kind == "patch":
        change = pattern - trigger.usual
        # A pixel is driven if any channel is clearly unusual; the others of it follow.
        mask = mask & (np.abs(change).max(0) >= _FAINT)
        pattern = np.where(change > 0, np.float32(255), np.float32(0))
    pixels = np.rint(pattern).astype(np.uint8)
    if trigger.kind == "roaming":
        return _scattered(images, mask, pixels, rng)
    pasted = images.copy()
    pasted[:, :, mask] = pixels[:, mask]
    return pasted


def control(image: UInt8Array, trigger: FoundTrigger) -> FoundTrigger:
    """Cut, in the same way, what an image that does not carry the trigger shows in its place."""
    if trigger.kind != "field":
        return replace(trigger, pattern=image.astype(np.float32))
    delta = image.astype(np.float32) - trigger.usual
    size = float(np.linalg.norm(delta))
    return replace(trigger, pattern=delta * (float(np.linalg.norm(trigger.pattern)) / max(size, 1.0)))


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


def _flips(model: "ScanModel", images: UInt8Array, label: int) -> float:
    return float((model.logits(images).argmax(1) == label).mean())
