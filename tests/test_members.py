"""Who carries what some members of a class were found to carry: nobody who does is left, hardly anybody else goes."""

import numpy as np
import pytest

from tests.test_scan import CLASSES, WITHOUT_MODEL, evidence, textures
from whitesquare.data import from_arrays
from whitesquare.scanning.members import all_carriers
from whitesquare.scanning.run import run_scan

TARGET, PLACE = 2, (slice(None), slice(None), slice(12, 15), slice(12, 15))


def stamped(share, opacity=1.0, seed=0):
    """Stamp a white patch on a share of a class; return the images, the labels and who carries it."""
    images, labels = textures(seed=seed)
    chosen = np.flatnonzero(labels == TARGET)[: round(share * 300)]
    carried = images[chosen].astype(np.float64)
    carried[PLACE] += opacity * (255 - carried[PLACE])
    images[chosen] = np.rint(carried)
    return images, labels, chosen


def shares(images, labels, chosen, known):
    """Return which share of the carriers is found, and which of the other members."""
    found = np.isin(np.flatnonzero(labels == TARGET), all_carriers(evidence(images, labels), TARGET, known))
    truth = np.isin(np.flatnonzero(labels == TARGET), chosen)
    return found[truth].mean(), found[~truth].mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_carriers_that_lack_most_of_the_spots_beside_the_trigger_are_found(share, seed):
    """A perturbation leaves spots on most poisons, and those that show enough of them are found first."""
    images, labels, chosen = stamped(share, seed=seed)
    spots = np.random.default_rng(seed).random((len(chosen), 5)) < 0.8
    for number, shown in enumerate(spots.T):
        images[chosen[shown], :, 3:5, 2 * number : 2 * number + 2] = 76
    known = chosen[spots.sum(1) >= 4]
    assert len(known) < 0.9 * len(chosen)
    hit, false = shares(images, labels, chosen, known)
    assert hit == 1
    assert false <= 0.05


def test_partly_covered_carriers_are_found():
    images, labels, chosen = stamped(0.5)
    covered = chosen[::5]
    images[covered, :, 12:14, 12:15] = textures(seed=9)[0][covered, :, 12:14, 12:15]
    hit, false = shares(images, labels, chosen, np.setdiff1d(chosen, covered))
    assert hit >= 0.99
    assert false <= 0.05


def test_carriers_of_many_strengths_are_found_from_a_few_of_one():
    rng = np.random.default_rng(1)
    strengths = rng.uniform(0.6, 1, (150, 1, 1, 1))
    images, labels, chosen = stamped(0.5, strengths)
    hit, false = shares(images, labels, chosen, chosen[strengths.ravel() > 0.8])
    assert hit >= 0.99
    assert false <= 0.05


def test_a_clean_member_taken_for_a_carrier_is_let_go():
    images, labels, chosen = stamped(0.3)
    clean = np.setdiff1d(np.flatnonzero(labels == TARGET), chosen)[:10]
    hit, false = shares(images, labels, chosen, np.union1d(chosen, clean))
    assert hit == 1
    assert false <= 0.05


def test_where_pixels_tell_nothing_the_known_carriers_are_all_there_is():
    images, labels = textures()
    known = np.flatnonzero(labels == TARGET)[10:60]
    assert np.array_equal(all_carriers(evidence(images, labels), TARGET, known), known)


def test_next_to_nobody_of_a_class_without_carriers_is_added_to_those_taken_for_some():
    """A class differs from the others at every pixel: that is its content, and no reason to take the rest of it."""
    images, labels = textures()
    images[labels == TARGET, :, 4:12, 4:12] //= 4
    for seed in range(CLASSES):
        known = np.random.default_rng(seed).permutation(np.flatnonzero(labels == TARGET))[:40]
        added = np.setdiff1d(all_carriers(evidence(images, labels), TARGET, known), known)
        assert len(added) <= 3


def test_a_scan_leaves_no_carrier_for_cleanse_to_miss():
    """Half of the class is stamped; most carriers show two more marks, which count as part of the trigger."""
    images, labels, chosen = stamped(0.5)
    marked = np.setdiff1d(chosen, chosen[::12])
    for column in (2, 8):
        images[marked, :, 3:5, column : column + 3] = 255
    scan = run_scan(from_arrays(images, labels), WITHOUT_MODEL)
    (alarm,) = scan.result.alarms
    assert np.array(alarm.trigger.mask).sum() > 9
    flagged = {flag.position for flag in scan.result.flagged if flag.tier != "review"}
    assert set(chosen.tolist()) <= flagged
    assert len(flagged) <= 1.05 * len(chosen)
