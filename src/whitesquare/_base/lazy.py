"""Names of a package that are loaded when they are first used, and not before."""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return what a package has for its ``__getattr__`` (PEP 562).

    Args:
        package: its name.
        homes: by name, the module below the package that has it, under the same name.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
