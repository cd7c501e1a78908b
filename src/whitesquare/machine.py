"""What the numbers were made on: versions and machine, for every published result."""

import os
import platform
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import whitesquare

_DECIDING = ("torch", "numpy", "scipy", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Return the versions of whitesquare, Python and the libraries that decide the numbers."""
    found = {"whitesquare": whitesquare.__version__, "python": platform.python_version()}
    for name in _DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def code_digest() -> str:
    """Return the SHA-256, hexadecimal, over names and content of all source files of whitesquare, installed or not."""
    root = Path(whitesquare.__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def machine(precision: str | None = None) -> dict[str, str]:
    """Return processor, usable cores, memory, system, and the precision training ran in, if any ran."""
    found = {
        "processor": _processor(),
        "cores": str(usable_cores()),
        "memory": f"{_memory_gb():.0f} GB" if _memory_gb() else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
    }
    return found if precision is None else found | {"precision": precision}


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_gb() -> float | None:
    """Return the largest resident size of this process so far in GB, or ``None`` where it is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


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
    except (AttributeError, ValueError, OSError):
        return 0.0
