"""What this machine has, what each missing part would give, and how to get it; works on the bare install."""

import os
import platform
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import whitesquare
from whitesquare._base.machine import available_memory, machine
from whitesquare.errors import EXTRAS

THERE, MISSING, BROKEN = "there", "missing", "broken"
"""States of a part; only what is broken is a fault."""

GIVES = {
    "scan": "data sets and images: poison, scan --model-free, cleanse, report",
    "train": "models: demo, scan, train, measure, drill, bench",
    "ray": "bench on many machines",
    "onnx": "scans of ONNX models",
    "timm": "scans of timm's models",
    "torchvision": "scans of torchvision's models",
    "hf": "scans of Hugging Face models",
    "mlflow": "results as MLflow runs",
    "review": "the page of `review`",
    "pandas": "results as data frames",
    "flare": "the detector flare",
}
"""By extra, what it is for."""


@dataclass(frozen=True)
class CheckedPart:
    """Something a verb may use.

    Attributes:
        name: what people call it.
        state: :data:`THERE`, :data:`MISSING` or :data:`BROKEN`.
        found: what was seen: a version, a size, a reason.
        gives: what it is good for; empty where that is plain.
        get: the command, or the step, that brings or mends it; empty where it is there.
    """

    name: str
    state: str
    found: str
    gives: str = ""
    get: str = ""


@dataclass(frozen=True)
class Checkup:
    """All that was looked at, in the order of need.

    Attributes:
        version: of whitesquare.
        parts: what was looked at.
    """

    version: str
    parts: tuple[CheckedPart, ...]

    @property
    def broken(self) -> tuple[CheckedPart, ...]:
        """What is installed, and does not work."""
        return tuple(part for part in self.parts if part.state == BROKEN)


def doctor() -> Checkup:
    """Look at Python, the machine, every extra, bfloat16, GPUs, the cache and the data in reach."""
    return Checkup(whitesquare.__version__, tuple(_parts()))


def _parts() -> Iterator[CheckedPart]:
    yield CheckedPart("Python", THERE, platform.python_version())
    known = machine()
    free = f"{available_memory() / 1e9:.1f} GB free of {known['memory']}"
    yield CheckedPart("machine", THERE, f"{known['processor']}, {known['cores']} cores, {free}")
    state: dict[str, str] = {}
    for extra in dict.fromkeys(EXTRAS.values()):
        part = _extra(extra)
        state[extra] = part.state
        yield part
    if state["train"] == THERE:
        yield _bfloat16()
        yield _gpu()
    if state["scan"] == THERE:
        yield _cache()
        yield from _data()


def _extra(extra: str) -> CheckedPart:
    """Import every module of an extra: what cannot be imported is not there, whatever is installed."""
    found: list[str] = []
    gives = GIVES.get(extra, "an optional part")
    get = f"pip install 'whitesquare[{extra}]'"
    for module in (name for name, brings in EXTRAS.items() if brings == extra):
        if find_spec(module) is None:
            beside = f"; {', '.join(found)} is there" if found else ""
            return CheckedPart(f"[{extra}]", MISSING, f"{module} is not installed{beside}", gives, get)
        try:
            found.append(f"{module} {_version(_imported(module))}".rstrip())
        except Exception as error:  # noqa: BLE001 - a broken binary raises what it likes, and that is the answer
            why = f"{module} cannot be imported: {type(error).__name__}: {error}"
            return CheckedPart(f"[{extra}]", BROKEN, why, gives, f"{get} --force-reinstall")
    return CheckedPart(f"[{extra}]", THERE, ", ".join(found), gives)


def _imported(module: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(module)


def _version(module: ModuleType) -> str:
    try:
        return distribution(module.__name__).version
    except PackageNotFoundError:
        return str(getattr(module, "__version__", ""))


def _bfloat16() -> CheckedPart:
    from whitesquare.learning.bfloat16 import TOLERANCE, bfloat16_error, bfloat16_is_right, bfloat16_speed
    from whitesquare.learning.train import has_fast_bfloat16

    error, speed = bfloat16_error(), bfloat16_speed()
    told = f"{100 * error:.2f} % from float32 at most (limit {100 * TOLERANCE:g} %), {speed:.1f} times as fast"
    gives = "faster trainings on the processor; `auto` uses float32 without it"
    if has_fast_bfloat16():
        return CheckedPart("CPU bfloat16", THERE, f"used: {told}", gives)
    if not bfloat16_is_right():
        return CheckedPart("CPU bfloat16", BROKEN, f"not used, for it is wrong: {told}", gives, "pip install -U torch")
    return CheckedPart(
        *("CPU bfloat16", MISSING, f"not used, for the processor has none: {told}", gives),
        "a processor with AVX512-BF16 or AMX; nothing to install",
    )


def _gpu() -> CheckedPart:
    import torch

    from whitesquare.learning.bfloat16 import bfloat16_is_right

    gives = "trainings many times as fast, with --device auto"
    built = f"PyTorch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "PyTorch is built without CUDA"
    if not torch.cuda.is_available():
        card = "an NVIDIA card that `nvidia-smi` lists"
        get = card if torch.version.cuda else f"{card}; pip install --force-reinstall torch, from its index for CUDA"
        return CheckedPart("GPU", MISSING, f"{built}; no card in reach", gives, get)
    names = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    try:
        right = bfloat16_is_right("cuda:0")
        torch.ones(8, device="cuda").sum().item()
    except RuntimeError as error:
        return CheckedPart("GPU", BROKEN, f"{names}: {error}", gives, "nvidia-smi")
    return CheckedPart("GPU", THERE, f"{names}; {built}; bfloat16 {'right' if right else 'wrong, not used'}", gives)


def _cache() -> CheckedPart:
    from whitesquare._base.cache import default_cache

    folder, gives = default_cache().folder, "crafted poison and trained victims are kept: a demo again takes seconds"
    assert folder is not None  # noqa: S101 - narrows the type
    if not folder.exists():
        return CheckedPart("cache", THERE, f"{folder}, empty", gives)
    try:
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        refused = not os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        return CheckedPart("cache", BROKEN, str(error), gives, "WHITESQUARE_CACHE=FOLDER names another")
    if refused or not folder.is_dir():
        told = f"{folder} is no folder that can be written"
        return CheckedPart("cache", BROKEN, told, gives, "WHITESQUARE_CACHE=FOLDER names another")
    return CheckedPart("cache", THERE, f"{folder}: {len(sizes)} files, {sum(sizes) / 1e6:.0f} MB", gives)


def _data() -> Iterator[CheckedPart]:
    from whitesquare._base.cache import default_cache
    from whitesquare.data import open_dataset
    from whitesquare.errors import WhitesquareError

    try:
        images = sum(len(open_dataset("mnist", split).labels) for split in ("train", "test"))
        yield CheckedPart("mnist", THERE, f"{images} images, embedded", "the demo and all examples")
    except (WhitesquareError, OSError) as error:
        get = "pip install --force-reinstall whitesquare"
        yield CheckedPart("mnist", BROKEN, str(error), "the demo and all examples", get)
    named, kept = os.environ.get("WHITESQUARE_DATA"), default_cache().folder
    folder = Path(named) if named else (kept or Path()) / "data"
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    gives = "benchmarks on natural images"
    if names:
        yield CheckedPart("fetched data", THERE, f"{folder}: {', '.join(names)}", gives)
    else:
        yield CheckedPart("fetched data", MISSING, f"none in {folder}", gives, "make cifar10, in a clone")
