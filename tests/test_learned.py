"""Attacks that learn their trigger, and attacks whose trigger is not in the training data."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

from whitesquare._base.cache import Cache
from whitesquare.attacks import make_attack, poison
from whitesquare.data import write_dataset
from whitesquare.data.gallery import read_gallery
from whitesquare.errors import UsageError
from whitesquare.jobs.runs import GALLERY, make_run, read_config, read_manifest
from whitesquare.triggers import Patch, Pattern, parse_trigger

from .test_attacks import QUICK, quick


@pytest.mark.parametrize("name", ["hidden-trigger", "gradient-matching"])
def test_a_hidden_trigger_is_not_in_the_training_data(name, small_train):
    made = poison(small_train, quick(name), target=0, count=30, seed=0)
    assert made.manifest.training_trigger == "none"
    assert made.trigger == Patch()
    assert np.array_equal(made.dataset.images(made.dataset.positions), made.content)
    assert made.manifest.linf_with_trigger == made.manifest.linf <= 0.3


def test_a_learned_trigger_travels_in_the_manifest_alone(small_train, tmp_path):
    cache = Cache(tmp_path)
    attack = make_attack("narcissus", QUICK["narcissus"])
    made = poison(small_train, attack, target=4, count=30, seed=0, cache=cache)
    learned = made.trigger
    assert isinstance(learned, Pattern)
    assert learned.gain == 3.0
    assert 0 < np.abs(learned.values()).max() <= 0.1 * 255
    assert made.manifest.linf == 0
    assert 0 < made.manifest.linf_with_trigger <= 0.1
    again = poison(small_train, attack, target=4, count=30, seed=0, cache=cache)
    assert cache.hits == ["trigger", "poison"]
    assert again.manifest == made.manifest
    reused = poison(small_train, replace(attack, trigger=learned), target=4, count=30, seed=0)
    assert reused.manifest.digest_after == made.manifest.digest_after


def test_a_run_without_a_trigger_takes_the_attacks_own_and_shows_the_learned_one(tiny, tmp_path):
    write_dataset(tmp_path / "data", tiny, tiny, "npz")
    settings = {"steps": 3, "samples": 10, "surrogate_epochs": 1}
    arguments = {"settings": settings, "target": 1, "count": 5, "seed": 0, "fmt": "npz", "cache": Cache(None)}
    made = make_run(str(tmp_path / "data"), tmp_path / "run", attack="narcissus", **arguments)
    assert made.trigger.startswith("pattern:")
    assert read_config(tmp_path / "run").trigger == made.trigger
    assert read_manifest(tmp_path / "run") == made
    gallery = read_gallery(tmp_path / "run" / GALLERY)
    assert np.array_equal(gallery.triggered, parse_trigger(made.trigger)(gallery.example[None])[0])


@dataclass(frozen=True)
class Nameless:
    """An attack whose learned trigger has no spec."""

    name: ClassVar[str] = "nameless"
    clean_label: ClassVar[bool] = True
    trigger: Patch = field(default_factory=Patch)
    epsilon: float = 0.0

    @property
    def training_trigger(self):
        return self.trigger

    def learn_trigger(self, context):
        return lambda images: 255 - images

    def craft(self, images, labels, context):
        return images.copy()


def test_a_learned_trigger_without_a_spec_is_refused(tiny):
    with pytest.raises(UsageError, match="not registered"):
        poison(tiny, Nameless(), target=0, count=2, seed=0)
