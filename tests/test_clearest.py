"""Which of several candidates of a class that stands out says who carries the trigger."""

from types import SimpleNamespace

import numpy as np
import pytest

from whitesquare.scanning.alarms import _clearest


def candidate(rule, vague, carriers):
    kind = SimpleNamespace(vague=vague, carriers=lambda evidence, trigger, hint: np.arange(carriers))
    return SimpleNamespace(rule_id=rule, trigger=SimpleNamespace(kind=kind), hint=None, exact=False)


@pytest.mark.parametrize(
    ("patch", "faint", "loud", "rule"),
    [
        (250, 2300, ("PX01", "MF01"), "MF01"),  # bright images of a pattern, of which a patch was made
        (250, 500, ("PX01", "MF01"), "MF01"),
        (250, 499, ("PX01", "MF01"), "PX01"),
        (2500, 2500, ("PX01", "MF01"), "PX01"),
        (250, 2300, ("PX01",), "PX01"),  # the data do not stand out by the pattern
        (0, 2300, ("PX01", "MF01"), "MF01"),
    ],
)
def test_a_pattern_that_many_more_carry_than_a_patch_comes_first(patch, faint, loud, rule):
    noticed = SimpleNamespace(
        strewn={},
        accused=[(SimpleNamespace(rule_id=name, asks_model=False), 9.0) for name in loud],
        candidates=[candidate("MF01", 2, faint), candidate("PX01", 0, patch)],
        moving=None,
    )
    found = _clearest(None, noticed)
    assert (found.rule_id, len(found.carriers)) == (rule, faint if rule == "MF01" else patch)
