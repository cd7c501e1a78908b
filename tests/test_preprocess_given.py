"""What prepares images for a model, whichever way it is given: as a function, a dict, a TOML file, or nothing."""

import pytest

from whitesquare.errors import UsageError
from whitesquare.learning.preprocess import Preprocess, as_preprocess

SAID = {"mean": (0.5, 0.4, 0.3), "std": [0.2, 0.2, 0.2], "size": 24}


def test_a_dict_is_the_same_as_the_file_of_it(tmp_path):
    known = Preprocess(mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), size=24)
    (tmp_path / "model.toml").write_text("mean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.2, 0.2]\nsize = 24\n")
    assert as_preprocess(SAID) == known == as_preprocess(tmp_path / "model.toml")
    assert as_preprocess(known) is known
    assert as_preprocess(None) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"means": [0.5]}, "Did you mean 'mean'"),
        ({"std": [0.0]}, "gives NaN or infinity"),
        ({"mean": [123.0]}, "white = 255"),
        (0.5, "a float; expected a function"),
    ],
)
def test_what_is_none_is_refused_with_what_is(given, said):
    with pytest.raises(UsageError, match=said):
        as_preprocess(given)
