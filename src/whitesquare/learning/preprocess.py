"""What a network expects of its input beside float images in [0, 1]: size, order of colours, mean and deviation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from whitesquare._base.schema import build
from whitesquare._base.toml_text import parse_toml
from whitesquare.errors import UsageError
from whitesquare.learning.weights import read_small

_MAX_FILE = 2**16
_MAX_SIDE = 8192
RGB, BGR = "rgb", "bgr"


@dataclass(frozen=True)
class Preprocess:
    """From float images in [0, 1], ``(B, C, H, W)``, to what a network reads; gradients go through all of it.

    An image of one channel becomes as many as ``mean`` has.

    Attributes:
        mean: subtracted from every pixel, once, or one for each channel, in units of ``white``.
        std: what is left is divided by it; likewise.
        size: both sides, or height and width, that images are brought to (bilinear, antialiased); ``None`` for their
            own.
        order: of the colours: ``rgb`` or ``bgr``; ``mean`` and ``std`` are in this order.
        white: value of a white pixel: 1, or 255 for a network that reads pixels as they are stored.
    """

    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    size: int | tuple[int, int] | None = None
    order: str = RGB
    white: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what would give no numbers, or none that a network was trained on."""
        mean, std = _each(self.mean), _each(self.std)
        if not all(map(math.isfinite, (*mean, *std, self.white))) or min(std, default=0) <= 0 or self.white <= 0:
            raise UsageError(
                f"The preprocess has the mean {self.mean}, std {self.std} and white {self.white}; expected finite "
                "numbers, and std and white above 0: anything else gives NaN or infinity."
            )
        if not mean or (len(mean) != len(std) and 1 not in (len(mean), len(std))):
            raise UsageError(
                f"The preprocess has {len(mean)} means and {len(std)} deviations; expected one, or one for "
                "each channel."
            )
        if max(map(abs, mean)) > self.white:
            raise UsageError(
                f"The preprocess subtracts a mean of {max(mean):g} from pixels of at most {self.white:g}; if mean and "
                "std are those of pixels in 0..255, write white = 255 as well."
            )
        if self.order not in (RGB, BGR):
            raise UsageError(f"The preprocess has the order {self.order!r:.40}; expected {RGB!r} or {BGR!r}.")
        sides = (self.size,) if isinstance(self.size, int) else self.size or ()
        if self.size is not None and (len(sides) not in (1, 2) or not all(1 <= side <= _MAX_SIDE for side in sides)):
            raise UsageError(
                f"The preprocess has the size {self.size}; expected one number or two in 1..{_MAX_SIDE}, in pixels."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """Return what the network reads of float images in [0, 1], ``(B, C, H, W)``."""
        if self.size is not None:
            sides = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
            if tuple(images.shape[2:]) != sides:
                images = interpolate(images, sides, mode="bilinear", antialias=True, align_corners=False)
        if self.order == BGR:
            images = images.flip(1)
        if self.white != 1:
            images = images * self.white
        mean, std = _each(self.mean), _each(self.std)
        if mean == (0.0,) and std == (1.0,):
            return images
        return (images - _column(mean, images)) / _column(std, images)

    def __str__(self) -> str:
        """Say what it does, as a TOML file of it would."""
        parts = [f"mean = {_told(self.mean)}", f"std = {_told(self.std)}"]
        if self.size is not None:
            parts.append(f"size = {self.size if isinstance(self.size, int) else list(self.size)}")
        parts += [f'order = "{self.order}"'] * (self.order != RGB) + [f"white = {self.white:g}"] * (self.white != 1)
        return ", ".join(parts)


def as_preprocess(said: object) -> Any:
    """Return what prepares images, whichever way it was given.

    Args:
        said: the path of a TOML file, the same as a dict (``{"mean": [0.5], "std": [0.25], "size": 224}``), or a
            function of float images in [0, 1], ``(B, C, H, W)``; ``None`` for none.

    Raises:
        UsageError: see :func:`read_preprocess`.
    """
    if isinstance(said, str | Path):
        return read_preprocess(Path(said))
    if isinstance(said, Mapping):
        plain = {name: _plain(value) for name, value in said.items()}
        return build(Preprocess, plain, where="The preprocess cannot be used", refuse=UsageError)
    if said is not None and not callable(said):
        raise UsageError(
            f"The preprocess is a {type(said).__name__}; expected a function of float images in [0, 1], a dict with "
            "mean, std and size, or the path of a TOML file with these."
        )
    return said


def read_preprocess(path: Path) -> Preprocess:
    """Read a TOML file with ``mean``, ``std``, ``size``, ``order`` and ``white``; what is left out has its default.

    Raises:
        UsageError: there is no such file, it is no TOML, or a key or value is not one of these.
        DataError: it cannot be read.
    """
    where = f"The preprocess {path} cannot be used"
    if not path.is_file():
        raise UsageError(f"There is no file {path}; give a TOML file such as: mean = [0.485, 0.456, 0.406].")
    try:
        found = parse_toml(read_small(path, _MAX_FILE))
    except ValueError as error:
        raise UsageError(
            f"{where}: it is not TOML ({error}); expected lines such as: std = [0.229, 0.224, 0.225]."
        ) from (error)
    return build(Preprocess, found, where=where, refuse=UsageError)


def _plain(value: Any) -> Any:
    """Return an array of NumPy or PyTorch, or a number of theirs, as numbers of Python; tuples as lists."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _each(value: float | Sequence[float]) -> tuple[float, ...]:
    return (float(value),) if isinstance(value, int | float) else tuple(map(float, value))


def _column(values: tuple[float, ...], images: Tensor) -> Tensor:
    return torch.tensor(values, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)


def _told(value: float | Sequence[float]) -> str:
    each = [f"{one:g}" for one in _each(value)]
    return each[0] if len(each) == 1 else f"[{', '.join(each)}]"
