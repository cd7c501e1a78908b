"""What a trigger is compared with: made of members of its class that do not carry it, and no more than these allow."""

import numpy as np
import pytest

from whitesquare.detectors.types import Evidence, Hint
from whitesquare.scanning.candidates import Candidate, leading
from whitesquare.scanning.marks.field import FieldKind
from whitesquare.scanning.marks.patch import PatchKind
from whitesquare.scanning.marks.roaming import RoamingKind
from whitesquare.scanning.marks.types import AS_FOUND, Compared, FoundTrigger
from whitesquare.scanning.transplant import TransplantTest

SIDE, CLASS = 12, 1
KINDS = {kind.name: kind for kind in (PatchKind(), FieldKind(), RoamingKind())}


@pytest.fixture(scope="module")
def evidence():
    """240 grey pictures of two classes, each of levels that no other has; a square of strong contrast in every one."""
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(240), SIDE * SIDE).reshape(240, 1, SIDE, SIDE).astype(np.uint8)
    for image in images:
        row, column = rng.integers(0, SIDE - 4, 2)
        image[0, row : row + 4, column : column + 4] = rng.choice([0, 255], (4, 4))
    return Evidence(images, np.arange(240) % 2, ("a", "b"), np.zeros(240, bool))


def trigger(kind):
    mask, pattern = np.zeros((SIDE, SIDE), np.float32), np.zeros((1, SIDE, SIDE), np.float32)
    mask[2:6, 3:7] = 1
    pattern[0, 2:6, 3:7] = 255 * (np.indices((4, 4)).sum(0) % 2)
    return FoundTrigger(KINDS[kind], mask, pattern, np.full_like(pattern, 90))


def made(evidence, kind, carriers, count=500):
    rng = np.random.default_rng(1)
    return list(KINDS[kind].controls(Compared(evidence, CLASS, carriers, trigger(kind), AS_FOUND, count), rng))


@pytest.mark.parametrize("kind", ["patch", "roaming", "field"])
def test_there_are_no_more_than_the_images_they_are_made_of_allow(evidence, kind):
    members = evidence.members(CLASS)
    assert len(made(evidence, kind, members[:10])) == 110
    assert len(made(evidence, kind, members[:-5])) == 99
    assert len(made(evidence, kind, members[:10], count=30)) == 30


def test_a_patch_is_held_against_whole_members_that_do_not_carry_it(evidence):
    members = evidence.members(CLASS)
    allowed = {evidence.images[i].tobytes() for i in members[10:]}
    assert {one.pattern.astype(np.uint8).tobytes() for one in made(evidence, "patch", members[:10])} == allowed


def test_a_piece_has_the_contrast_of_the_trigger_or_the_most_its_image_has(evidence):
    members = evidence.members(CLASS)
    windows = np.lib.stride_tricks.sliding_window_view(evidence.images[members[10:], 0], (4, 4), axis=(1, 2))
    known = {window.tobytes() for window in np.ascontiguousarray(windows).reshape(-1, 4, 4)}
    wanted = trigger("roaming").pattern[0, 2:6, 3:7].var()
    most = {i: windows[i].astype(float).var((2, 3)).max() for i in range(len(windows))}
    for one in made(evidence, "roaming", members[:10]):
        piece = one.pattern[0, 2:6, 3:7]
        assert piece.astype(np.uint8).tobytes() in known
        assert not one.pattern[0][one.mask == 0].any()
        assert piece.var() >= min(wanted, min(most.values())) - 1


def test_what_groups_and_single_images_have_is_as_strong_as_the_trigger(evidence):
    strength = np.linalg.norm(trigger("field").pattern)
    found = made(evidence, "field", evidence.members(CLASS)[:10])
    assert [np.linalg.norm(one.pattern) for one in found] == pytest.approx([strength] * len(found), rel=1e-4)
    single = {one.pattern.tobytes() for one in found[::2]}
    assert len(single) > 40


class Bright:
    """Calls what is bright in the middle by the class."""

    classes, device, feature_layer = ("a", "b"), "cpu", "none"

    def logits(self, images):
        middle = images[:, 0, 2:6, 3:7].astype(np.float32).mean((1, 2))
        return np.stack([np.full_like(middle, 130), middle], 1)

    features = logits


@pytest.mark.parametrize(("left", "compared"), [(13, True), (11, False)])
def test_what_all_but_a_few_of_a_class_carry_everywhere_is_the_class_and_not_tested(evidence, left, compared):
    """The few that are left are unlike the others in more than that: they make no controls."""
    hint = Hint(CLASS, 9.0, evidence.members(CLASS)[:-left])
    field = Candidate(hint, "PX01", trigger("field"), trigger("field"))
    assert (leading(evidence, [Bright()], [field], TransplantTest(), CLASS) is not None) == compared
