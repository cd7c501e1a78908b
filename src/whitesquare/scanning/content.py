"""Whether what else images show tells who carries a mark.

Who plants a mark picks images; what belongs to some of a class by nature (a collar, a gap between two legs, a stroke)
goes with the rest of the image. So the place of the mark is covered in all images, and a linear classifier of coarse
thumbnails (mean and deviation of brightness in 8 x 8 cells) is asked on images it was not fitted on: whether it tells
carriers from the other members of their class, and, for comparison, the class from the others.

Citation: ours. It says nothing of a mark that every member carries, that covers much of the image, or whose carriers
were picked by what they show (wrong labels, the smoothest images, those that a model forgets).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import maximum_filter

from whitesquare.data.pixels import parts_of
from whitesquare.detectors.types import BoolArray, Evidence
from whitesquare.scanning.benign import carried_by_all
from whitesquare.scanning.candidates import Candidate, Carried, first_carried
from whitesquare.scanning.criteria import ALPHA
from whitesquare.scanning.marks.roaming import RoamingKind, places_of
from whitesquare.scanning.marks.types import some
from whitesquare.types import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

_CELLS, _MOST, FEWEST = 8, 500, 20
_TOGETHER = 64
_BESIDE = 2
"""Pixels around a mark that are covered with it: what lies next to a natural one is part of it."""
_COVERED = 0.25
"""Of an image: where more is covered, too little is left to tell anything."""
_TELLING = 0.7
"""How well the rest of the image must tell the class from others (area under the curve), to be asked about carriers."""
NATURAL = 0.65
"""How well it tells (0.5 is chance) who has what is natural and nobody else has, at least: in clean digits and clothes
it is mostly 0.7 to 1, and less by chance alone."""
_TRIED = 4
"""Marks of a class that are asked about: what PX01 finds near its best, at it, and at a place; what PC01 finds."""
_WIDER = 1.5
"""Of the textbook's standard error, that of the mean over two halves, each of which was tried on what the other made:
1.3 to 1.5 on digits, carriers drawn at random."""
_SURE = 2.0
"""Standard errors beyond that bound, from where on something is called natural."""
_FOREIGN = 0.8
"""How well it tells carriers from their class by what makes other classes: beyond that, they have wrong labels."""


@dataclass(frozen=True)
class ContentTest:
    """What the rest of the images says.

    Attributes:
        auc: how well it tells carriers from other members: 0.5 is not at all, 1 is always.
        error: the standard error of that, were it 0.5.
        foreign: how much more the carriers are like other classes than the other members are; 0.5 is no more.
    """

    auc: float
    error: float
    foreign: float

    def p_value(self, classes: int) -> float:
        """Return the chance that a natural mark is told so little in any of so many classes (normal approximation)."""
        return _chance(self.auc, self.error, classes)

    @property
    def natural(self) -> bool:
        """Whether carriers are a group of their class, like one another in all else they show."""
        return self.auc - _SURE * self.error > NATURAL and self.foreign < _FOREIGN


@dataclass(frozen=True)
class ShownMark:
    """What a class shows.

    Attributes:
        candidate: what it is.
        carriers: how many of the class show it.
        by_all: whether these are all of it.
        content: what the rest of the images says of them.
    """

    candidate: Candidate
    carriers: int
    by_all: bool
    content: ContentTest | None

    @property
    def is_natural(self) -> bool:
        """Whether it is the class's own: all of it shows it, or a group of images that are alike in all else."""
        return self.by_all or (self.content is not None and self.content.natural)


def shown_by(evidence: Evidence, candidate: Candidate) -> ShownMark | None:
    """Say of what may be a trigger who carries it, as it was found; ``None`` if too few do."""
    carried = first_carried(evidence, [replace(candidate, trigger=candidate.found)])
    if carried is None:
        return None
    label = candidate.hint.label
    by_all = carried_by_all(carried.carriers, evidence.members(label))
    return ShownMark(
        candidate, len(carried.carriers), by_all, None if by_all else content_test(evidence, carried, label)
    )


def content_test(evidence: Evidence, carried: Carried, label: int) -> ContentTest | None:
    """Ask the rest of the images who carries a mark; ``None`` where too few do or do not, or nothing of it is left.

    Args:
        evidence: the samples.
        carried: the mark, one at a place or one that wanders, with its carriers.
        label: their class.
    """
    members = evidence.members(label)
    groups = (carried.carriers, np.setdiff1d(members, carried.carriers), np.flatnonzero(evidence.labels != label))
    asked = [some(positions, evidence.seed, _MOST) for positions in groups]
    if min(map(len, asked)) < FEWEST:
        return None
    seen = _seen(evidence, carried, asked, label)
    if seen is None:
        return None
    carriers, rest, others = _filled(seen)
    foreigners = _classifier(others[::2], rest[::2])
    if _area(foreigners, others[1::2], rest[1::2]) < _TELLING:
        return None
    sides = [(carriers[i::2], rest[i::2]) for i in (0, 1)]
    found = [_area(_classifier(*made), *tried) for made, tried in (sides, sides[::-1])]
    error = _error(len(carriers), len(rest))
    return ContentTest(float(np.mean(found)), error, _area(foreigners, carriers, rest[1::2]))


def can_tell(size: int, classes: int) -> bool:
    """Tell whether marks on some of a class of that size can be told from natural ones: half of it is told best."""
    half = min(size // 2, _MOST)
    return half >= FEWEST and _chance(0.5, _error(half, half), classes) <= ALPHA


def _error(these: int, those: int) -> float:
    return _WIDER * float(((these + those + 1) / (12 * these * those)) ** 0.5)


def _chance(auc: float, error: float, classes: int) -> float:
    tried = classes * _TRIED
    return min(1.0, float(stats.norm.cdf((auc - NATURAL) / error)) * tried)


def _seen(evidence: Evidence, carried: Carried, asked: list[IntArray], label: int) -> list[FloatArray] | None:
    """Return the thumbnails of each group, without what lies at the mark; ``None`` if too little is left."""
    trigger = carried.trigger
    top, left, bottom, right = trigger.box
    size = bottom - top, right - left
    if not isinstance(trigger.kind, RoamingKind):
        covered = maximum_filter(trigger.mask > 0, 2 * _BESIDE + 1)[None]
        return [_thumbnails(evidence, who, covered) for who in asked] if covered.mean() <= _COVERED else None
    if np.prod([length + 2 * _BESIDE for length in size]) > _COVERED * trigger.mask.size:
        return None
    if trigger.kind.bound(evidence, trigger, label) is None:
        return None  # it is nothing rare, so that nobody knows where it lies
    own = np.concatenate(
        [places_of(part, trigger.mask, trigger.pattern) for _, part in parts_of(evidence.images, asked[0], _TOGETHER)]
    )
    rng = np.random.default_rng(evidence.seed)
    # What does not carry it is covered where carriers are: where nothing is, nothing is told.
    places = [own, *(rng.choice(own, len(positions)) for positions in asked[1:])]
    return [
        _thumbnails(evidence, positions, _boxes(at, size, trigger.mask.shape))
        for positions, at in zip(asked, places, strict=True)
    ]


def _boxes(places: IntArray, size: tuple[int, int], shape: tuple[int, ...]) -> BoolArray:
    """Return ``(N, H, W)``: what a mark of that size at each place covers, with what lies beside it."""
    inside = [
        (np.arange(length) >= places[:, axis, None] - _BESIDE)
        & (np.arange(length) < places[:, axis, None] + size[axis] + _BESIDE)
        for axis, length in enumerate(shape)
    ]
    boxes: BoolArray = inside[0][:, :, None] & inside[1][:, None, :]
    return boxes


def _thumbnails(evidence: Evidence, positions: IntArray, covered: BoolArray) -> FloatArray:
    """Return mean and deviation of the brightness in each cell ``(N, D)``; NaN where all of it is covered."""
    found = []
    for part, images in parts_of(evidence.images, positions, _TOGETHER):
        shown = ~(covered if len(covered) == 1 else covered[part])
        found.append(_cells(images.mean(1, dtype=np.float32), shown))
    return np.concatenate(found)


def _filled(groups: list[FloatArray]) -> list[FloatArray]:
    """Put what is usual among all groups where nothing is shown: of one group it would tell which that is."""
    cells = np.concatenate(groups)
    known = np.isfinite(cells)
    usual = (np.where(known, cells, 0).sum(0) / np.maximum(known.sum(0), 1)).astype(np.float32)
    return [np.where(np.isfinite(group), group, usual) for group in groups]


def _cells(grey: FloatArray, shown: BoolArray) -> FloatArray:
    """Return mean and deviation of every cell of images ``(N, H, W)``; NaN where nothing of it is shown."""
    starts = [np.unique(np.linspace(0, length, _CELLS, endpoint=False).astype(int)) for length in grey.shape[1:]]

    def summed(values: NDArray[np.floating]) -> FloatArray:
        sums: FloatArray = np.add.reduceat(np.add.reduceat(values, starts[0], 1), starts[1], 2)
        return sums.reshape(len(values), -1)

    weight = np.broadcast_to(shown, grey.shape).astype(np.float32)
    count = summed(weight)
    mean = summed(grey * weight) / np.maximum(count, 1)
    square = summed(grey * grey * weight) / np.maximum(count, 1)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.where(np.tile(count > 0, 2), np.concatenate([mean, deviation], 1), np.nan).astype(np.float32)


def _classifier(these: FloatArray, those: FloatArray) -> "LinearDiscriminantAnalysis":
    """Fit what tells these from those."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    known = np.repeat([1, 0], [len(these), len(those)])
    return classifier.fit(np.concatenate([these, those]), known)


def _area(classifier: "LinearDiscriminantAnalysis", these: FloatArray, those: FloatArray) -> float:
    """Return the area under the curve of a classifier that is to tell these from those."""
    from sklearn.metrics import roc_auc_score

    known = np.repeat([1, 0], [len(these), len(those)])
    return float(roc_auc_score(known, classifier.decision_function(np.concatenate([these, those]))))
