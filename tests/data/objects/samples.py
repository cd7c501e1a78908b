"""Real digits in the forms in which users have them."""

import io
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from whitesquare.data import load_mnist
from whitesquare.types import IntArray, UInt8Array

NAMES = tuple("abcdefghij")


@dataclass(frozen=True)
class Digits:
    """Some images of MNIST ``(N, 1, 28, 28)`` and their labels."""

    images: UInt8Array
    labels: IntArray

    def picture(self, i: int) -> Image.Image:
        return Image.fromarray(self.images[i, 0])

    def png(self, i: int) -> bytes:
        return png_of(self.images[i, 0])

    def files(self, folder: Path) -> list[str]:
        """Write them as ``CLASS/POSITION.png``, and return the paths."""
        paths = [folder / NAMES[label] / f"{i:04d}.png" for i, label in enumerate(self.labels)]
        for i, path in enumerate(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.png(i))
        return [str(path) for path in paths]


def digits(count: int = 60) -> Digits:
    mnist = load_mnist()
    return Digits(mnist.images(slice(0, count)), mnist.labels[:count])


def png_of(pixels: UInt8Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Pictures(Dataset):
    """As tutorials have it: pictures, labels, and a transform if one is given."""

    def __init__(self, some: Digits, transform=None):
        self.some, self.transform = some, transform

    def __len__(self):
        return len(self.some.labels)

    def __getitem__(self, i):
        picture = self.some.picture(i)
        return (picture if self.transform is None else self.transform(picture)), int(self.some.labels[i])


def to_tensor(picture) -> torch.Tensor:
    """Do what torchvision's ToTensor does to a grey picture."""
    return torch.from_numpy(np.asarray(picture, np.float32)[None] / 255)


VISION = """
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def default_loader(path):
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


class VisionDataset(torch.utils.data.Dataset):
    def __init__(self, root, transform=None, target_transform=None):
        self.root, self.transform, self.target_transform = root, transform, target_transform
        self.transforms = None if transform is None and target_transform is None else (transform, target_transform)

    def shown(self, image, label):
        image = image if self.transform is None else self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __len__(self):
        return len(getattr(self, "data", None) if hasattr(self, "data") else self.samples)


class ImageFolder(VisionDataset):
    def __init__(self, root, transform=None, target_transform=None, loader=default_loader):
        super().__init__(root, transform, target_transform)
        self.classes = sorted(folder.name for folder in Path(root).iterdir())
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.samples = [(str(p), self.class_to_idx[p.parent.name]) for p in sorted(Path(root).glob("*/*"))]
        self.imgs, self.targets = self.samples, [label for _, label in self.samples]
        self.loader = loader

    def __getitem__(self, i):
        path, label = self.samples[i]
        return self.shown(self.loader(path), label)


class MNIST(VisionDataset):
    classes = ["%d - %s" % pair for pair in enumerate("zero one two three four five six seven eight nine".split())]

    def __init__(self, data, targets, **settings):
        super().__init__("nowhere", **settings)
        self.data, self.targets = data, targets

    def __getitem__(self, i):
        return self.shown(Image.fromarray(self.data[i].numpy()), int(self.targets[i]))


class CIFAR10(VisionDataset):
    def __init__(self, data, targets, classes, **settings):
        super().__init__("nowhere", **settings)
        self.data, self.targets, self.classes = data, targets, classes

    def __getitem__(self, i):
        return self.shown(Image.fromarray(self.data[i]), self.targets[i])


class SVHN(VisionDataset):
    def __init__(self, data, labels, **settings):
        super().__init__("nowhere", **settings)
        self.data, self.labels = data, labels

    def __getitem__(self, i):
        return self.shown(Image.fromarray(self.data[i].transpose(1, 2, 0)), int(self.labels[i]))


class Food101(VisionDataset):
    def __init__(self, files, labels, classes, **settings):
        super().__init__("nowhere", **settings)
        self._image_files, self._labels, self.classes = files, labels, classes

    def __len__(self):
        return len(self._image_files)

    def __getitem__(self, i):
        return self.shown(Image.open(self._image_files[i]).convert("RGB"), self._labels[i])
"""


def stand_in(monkeypatch) -> types.ModuleType:
    """Return a package with torchvision's interface, where that itself does not install; gone after the test."""
    module = types.ModuleType("torchvision.datasets.of_test")
    exec(VISION, module.__dict__)
    package = types.ModuleType("torchvision")
    for name, one in (("torchvision", package), ("torchvision.datasets.of_test", module)):
        monkeypatch.setitem(sys.modules, name, one)
    return module
