"""A bench trains its clean victims once, whatever they are asked about."""

import numpy as np

from whitesquare._base.cache import Cache
from whitesquare.data import dataset_digest, from_arrays, open_dataset, write_dataset
from whitesquare.executor import make_executor
from whitesquare.study import trained as module
from whitesquare.study.bench.plan import parse_plan
from whitesquare.study.bench.run import run_bench
from whitesquare.study.bench.types import BASELINE

TRIGGERS = ("patch:size=2", "patch:size=3,corner=tl", "patch:size=2,value=0")
PLAN = """
[victims.quick]
epochs = 1
[[grid]]
data = {data!r}
attack = "stamp"
trigger = {triggers}
count = 5
victim = "quick"
victim_seeds = 1
"""


def test_one_clean_victim_is_asked_about_every_trigger(tmp_path, monkeypatch):
    """Clean data are the same whatever is stamped on test images: what differs is what the victim is shown."""
    labels = np.arange(90) % 3
    images = np.random.default_rng(0).integers(0, 80, (90, 12, 12)) + 80 * labels[:, None, None]
    dataset = from_arrays(images.astype(np.uint8), labels)
    write_dataset(tmp_path / "data", dataset, dataset, "npz")
    trainings = []

    def counted(data, recipe, card):
        trainings.append(card)
        return train(data, recipe, card)

    train = module.train_tensors
    monkeypatch.setattr(module, "train_tensors", counted)
    text = PLAN.format(data=str(tmp_path / "data"), triggers=list(TRIGGERS))
    place, cache = make_executor("local", workers=1), Cache(tmp_path / "cache")
    result = run_bench(parse_plan(text, where="plan"), text, tmp_path / "out", place, cache=cache)
    assert not result.failures
    clean = [line for line in result.lines if line.attack == BASELINE]
    assert len({line.trigger for line in clean}) == len(TRIGGERS), "each trigger is measured on it"
    assert len({line.ca.mean for line in clean}) == 1
    victims = [card for card in trainings if card.trained_on == dataset_digest(open_dataset(tmp_path / "data"))]
    assert len(victims) == 1
    assert len(trainings) == len(victims) + len(TRIGGERS) + 1, "a victim of each poison, and one judge of all poisons"
