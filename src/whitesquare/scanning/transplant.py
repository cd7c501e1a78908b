"""The causal test: does the reconstructed trigger, pasted on images of other classes, turn the model to the class?

What separates a backdoor from a watermark that the model ignores is what it does. The trigger is pasted on images of
other classes; so are controls, made in the same way of samples of the same class that do not carry it (see
``marks/``), because parts that are typical of a class move a model as well. Under exchangeability
``p = (1 + #{controls >= trigger}) / (1 + K)`` is exact (Phipson and Smyth 2010, arXiv:1603.05766).

A model that sees little of an image, as in a close-up, calls it what most images are called, and nothing could turn it
to that class. So where the class is the largest, answers are weighed by the shares of all (logit adjustment, Menon et
al. 2021, arXiv:2007.07314); elsewhere they are as the model gives them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from whitesquare._base.crew import Crew
from whitesquare._base.machine import usable_cores
from whitesquare.detectors.common import images_at_once
from whitesquare.detectors.types import Evidence
from whitesquare.learning.estimates import share
from whitesquare.scanning.marks.types import Compared, FoundTrigger
from whitesquare.scanning.running import one_thread_each
from whitesquare.scanning.types import Transplant
from whitesquare.types import Classifier, FloatArray, IntArray, UInt8Array

T = TypeVar("T")
_NEARLY = 0.8
"""The least strength whose lead is that share of the largest one is tested."""
_BATCH = 4000
_ENOUGH = 6
"""Controls as good as the trigger after which the test stops: the p-value is then their share (Besag and Clifford
1991), still exact, and most candidates are no trigger."""

_RARE = 0.1
"""Of an even share of the samples, what a class counts for at least when answers are weighed: rare ones are not known
well enough to be preferred further."""
_FEW = 12
"""Controls that tell which of several triggers is worth the test, and at which strength."""


@dataclass(frozen=True)
class _Judge:
    """A model that says which images are of a class; ``usual`` ``(K,)`` is taken from its logits."""

    model: Classifier
    label: int
    usual: FloatArray

    @classmethod
    def of(cls, evidence: Evidence, model: Classifier, label: int) -> "_Judge":
        """Weigh the answers of a model where the class is the largest."""
        shares = np.bincount(evidence.labels, minlength=len(evidence.classes)) / len(evidence.labels)
        is_largest = shares[label] == shares.max()
        weighed = np.log(np.maximum(shares, _RARE / len(shares))) if is_largest else np.zeros(len(shares))
        return cls(model, label, weighed.astype(np.float32))

    def turned(self, images: UInt8Array) -> NDArray[np.bool_]:
        """Return which images ``(B, C, H, W)`` are called that."""
        found: NDArray[np.bool_] = (self.model.logits(images) - self.usual).argmax(1) == self.label
        return found

    def share(self, images: UInt8Array) -> float:
        """Return the share of images that are called that."""
        return float(self.turned(images).mean())


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
        strength: str = "",
    ) -> Transplant | None:
        """Test one trigger on one model; ``None`` if there is nothing to paste on or no control.

        The strength, unless it is given, is chosen on other images than those of the test: see :meth:`lead`.
        """
        others, unflagged = self._others(evidence, label), np.setdiff1d(evidence.members(label), carriers)
        if len(others) < 2 or len(unflagged) < 1:
            return None
        rng = np.random.default_rng(evidence.seed)
        tested = np.array_split(others, 2)[1]
        strength = strength or self.lead(evidence, model, trigger, label, carriers)[0]
        base, kind = evidence.images[tested], trigger.kind
        judge = _Judge.of(evidence, model, label)
        hits = int(judge.turned(kind.paste(base, kind.strengths(trigger)[strength], rng)).sum())
        rate = hits / len(base)
        found = kind.controls(Compared(evidence, label, carriers, trigger, strength, self.controls), rng)
        pasted = (kind.paste(base, one, rng) for one in found)
        controls = self._rates(evidence, judge, pasted, rate)
        beaten = int((controls >= rate).sum())
        p_value = beaten / len(controls) if beaten >= _ENOUGH else (1 + beaten) / (1 + len(controls))
        return Transplant(
            flip_rate=share("flip_rate", hits, len(base)),
            untouched_rate=judge.share(base),
            control_mean=float(controls.mean()),
            control_worst=float(controls.max()),
            controls=len(controls),
            p_value=p_value,
            strength=strength,
        )

    def lead(
        self, evidence: Evidence, model: Classifier, trigger: FoundTrigger, label: int, carriers: IntArray
    ) -> tuple[str, float]:
        """Return the least strength at which a trigger is far ahead of a few controls, and how far.

        The lead is the share of the choosing images that it turns, less what the best of the controls turns. Neither
        the images nor the controls of the test itself are looked at.
        """
        leads: dict[str, float] = {}
        chosen = evidence.images[np.array_split(self._others(evidence, label), 2)[0]]
        judge = _Judge.of(evidence, model, label)
        for name, rate in self.flip_rates(evidence, model, trigger, label).items():
            rng = np.random.default_rng([evidence.seed, label, _FEW])
            made = trigger.kind.controls(Compared(evidence, label, carriers, trigger, name, _FEW), rng)
            pasted = [trigger.kind.paste(chosen, one, rng) for one in islice(made, _FEW)]
            leads[name] = rate - max(judge.share(one) for one in pasted)
            if leads[name] >= _NEARLY:
                break
        most = max(leads.values())
        best = next(name for name, found in leads.items() if found >= _NEARLY * most or found == most)
        return best, leads[best]

    def flip_rates(self, evidence: Evidence, model: Classifier, trigger: FoundTrigger, label: int) -> dict[str, float]:
        """Return the share of the choosing images that each strength turns; empty if there is none to paste on."""
        chosen = evidence.images[np.array_split(self._others(evidence, label), 2)[0]]
        if not len(chosen):
            return {}
        rng, judge = np.random.default_rng(evidence.seed), _Judge.of(evidence, model, label)
        return {
            name: judge.share(trigger.kind.paste(chosen, driven, rng))
            for name, driven in trigger.kind.strengths(trigger).items()
        }

    def _others(self, evidence: Evidence, label: int) -> IntArray:
        rng = np.random.default_rng([evidence.seed, label])
        return rng.permutation(np.flatnonzero(evidence.labels != label))[: 2 * self.images]

    def _rates(self, evidence: Evidence, judge: _Judge, pasted: Iterator[UInt8Array], rate: float) -> FloatArray:
        """Return the flip rate of every control, up to the one with which the trigger is beaten often enough."""
        rates: list[float] = []
        beaten = 0

        def turned(some: list[UInt8Array]) -> FloatArray:
            shares: FloatArray = judge.turned(np.concatenate(some)).reshape(len(some), -1).mean(1, dtype=np.float32)
            return shares

        batches, cores = (
            _together(pasted, max(1, images_at_once(evidence.images.shape, _BATCH) // self.images)),
            max(1, usable_cores()),
        )
        with Crew(cores, one_thread_each) as crew:
            for several in _together(batches, cores):
                for found in np.concatenate(list(crew.map(turned, several))):
                    rates.append(float(found))
                    beaten += found >= rate
                    if beaten >= _ENOUGH:
                        return np.array(rates, np.float32)
                evidence.on_progress(
                    f"testing {evidence.classes[judge.label]}", len(rates), max(self.controls, len(rates))
                )
        return np.array(rates, np.float32)


def _together(things: Iterator[T], count: int) -> Iterator[list[T]]:
    while some := list(islice(things, count)):
        yield some
