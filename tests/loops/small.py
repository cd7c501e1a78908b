"""A small training set of two classes that a linear network tells apart, and one sample that has the wrong label."""

import numpy as np

from whitesquare.data import from_arrays

SIZE, WRONG = 40, 7


def small_data(classes=("dark", "light"), ids=None):
    """40 images of 8 x 8 grey levels; the sample at :data:`WRONG` is labelled as what it is not."""
    rng = np.random.default_rng(3)
    labels = np.arange(SIZE) % 2
    images = (rng.integers(0, 60, (SIZE, 1, 8, 8)) + 150 * labels[:, None, None, None]).astype(np.uint8)
    labels[WRONG] = 1 - labels[WRONG]
    names = [f"train/{i:03}" for i in range(SIZE)] if ids is None else ids
    if classes != ("dark", "light"):
        labels = np.array([classes.index(("dark", "light")[one]) for one in labels])
    return from_arrays(images, labels, classes=classes, ids=names)


class Tensors:
    """The images as floats and their labels, as a loader of PyTorch takes them."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data.ids)

    def __getitem__(self, i):
        import torch

        image = self.data.images(np.array([i]))[0]
        return torch.from_numpy(image.copy()).float() / 255, int(self.data.labels[i])
