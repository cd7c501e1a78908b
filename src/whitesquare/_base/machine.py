"""What the numbers were made on: versions and machine, for every published result."""

import os
import platform
import resource
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import whitesquare
from whitesquare._base.hashing import digest_of

UNKNOWN_MEMORY = 8 * 2**30
_DECIDING = ("torch", "numpy", "scipy", "scikit-learn", "pillow")
"""Libraries with whose versions numbers can change."""


def versions() -> dict[str, str]:
    """Return the versions of whitesquare, Python and the libraries that decide the numbers."""
    found = {"whitesquare": whitesquare.__version__, "python": platform.python_version()}
    for name in _DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@lru_cache
def code_digest(rooms: tuple[str, ...] = ("",)) -> str:
    """Return the SHA-256, hexadecimal, over names and content of the source files of whitesquare, installed or not.

    Args:
        rooms: those of these rooms, and loose modules by their name; all files without them.
    """
    root = Path(whitesquare.__file__).parent
    loose = (path for room in rooms if (path := root / f"{room}.py").is_file())
    files = sorted([*loose, *(path for room in rooms for path in (root / room).rglob("*.py"))])
    return digest_of(part for path in files for part in (path.relative_to(root).as_posix(), path.read_bytes()))


@lru_cache
def making_digest(rooms: tuple[str, ...] = ("",)) -> str:
    """Return the SHA-256 over all that makes a result of its parameters: the code of ours, and whose code it calls.

    With another version of Pillow an image can have other pixels, and with another one of PyTorch or NumPy a sum.

    Args:
        rooms: see :func:`code_digest`.
    """
    return digest_of([code_digest(rooms), *(f"{name} {found}" for name, found in sorted(versions().items()))])


@lru_cache
def code_beside(*kinds: type) -> str:
    """Return the SHA-256 over the source of all packages that kinds come from but this one; empty if there is none."""
    roots = {kind.__module__.partition(".")[0] for kind in kinds} - {whitesquare.__name__}
    parts: list[str | bytes] = []
    for root in sorted(roots):
        module = sys.modules.get(root)
        files = {
            path.relative_to(folder).as_posix(): path
            for folder in getattr(module, "__path__", ())
            for path in Path(folder).rglob("*.py")
        } or {"": Path(getattr(module, "__file__", None) or root)}
        for name, path in sorted(files.items()):
            parts += (f"{root}/{name}", path.read_bytes()) if path.is_file() else ()
    return digest_of(parts) if roots else ""


def machine(precision: str | None = None) -> dict[str, str]:
    """Return processor, usable cores, memory, system, a GPU in reach, and the precision of training, if any ran."""
    found = {
        "processor": _processor(),
        "cores": str(usable_cores()),
        "memory": f"{_memory_gb():.0f} GB" if _memory_gb() else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["accelerator"] = torch.cuda.get_device_name()
    return found if precision is None else found | {"precision": precision}


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_gb() -> float:
    """Return the largest resident size of this process so far in GB."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def available_memory() -> int:
    """Return the bytes of memory that machine, container and limits leave to this process.

    Where nothing tells, it is :data:`UNKNOWN_MEMORY`.
    """
    found = [size for size in (_free_of_machine(), *_free_of_container(), _free_of_process()) if size is not None]
    return max(0, min(found, default=UNKNOWN_MEMORY))


def _free_of_machine() -> int | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return int(_memory_gb() * 1e9) or None


def _free_of_container() -> Iterator[int | None]:
    """Tell what is left of the limit of a control group, of version 2 or 1; its file cache can be given back."""
    own = next((line.strip().removeprefix("0::") for line in _lines("/proc/self/cgroup") if line.startswith("0::")), "")
    root = "/sys/fs/cgroup"
    for folder, limit, used, cache in (
        (root + own, "memory.max", "memory.current", "inactive_file"),
        (root, "memory.max", "memory.current", "inactive_file"),
        (root + "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, taken = (_number(next(iter(_lines(f"{folder}/{name}")), "")) for name in (limit, used))
        if most is not None and taken is not None:
            stat = dict(line.split(maxsplit=1) for line in _lines(f"{folder}/memory.stat") if " " in line)
            yield most - taken + (_number(stat.get(cache, "")) or 0)


def _free_of_process() -> int | None:
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    taken = _number(next(iter(_lines("/proc/self/statm")), "").partition(" ")[0])
    if most == resource.RLIM_INFINITY or taken is None:
        return None
    return most - taken * os.sysconf("SC_PAGE_SIZE")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        named = {key.strip(): value.strip() for key, value in fields.items()}
        family = f" (family {named['cpu family']}, model {named['model']})" if "cpu family" in named else ""
        if "model name" in named:
            return named["model name"] + family
    return platform.processor() or "unknown"


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError):
        return 0.0
