"""The one exception tree. The library raises; only ``cli`` turns an error into a sentence and an exit code.

::

    WhitesquareError            exit 2   anything this package refuses to do
    +-- UsageError              exit 2   a parameter, name or path the caller can correct
    +-- DataError               exit 2   a data set, file or folder that cannot be used as it is
    |   +-- ChangedError        exit 2   data that changed between two looks at them
    +-- ContractError           exit 2   an attack, trigger or data set broke a promise it made
    +-- TrainingError           exit 2   training went wrong (for example: the loss is not a number)
    +-- UnfinishedError         exit 2   work that could not be done to its end; it says nothing of the data
    +-- MissingDependencyError  exit 2   an extra that is not installed
    +-- VerificationError       exit 1   signed evidence is not what it claims to be
    +-- NothingToDoError        exit 3   nothing to measure or report: the evidence is missing

Every message is one sentence (or two): what failed and where, what was found, what was expected, what to do next.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec


class WhitesquareError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(WhitesquareError):
    """A parameter, name or path that the caller can correct."""


class DataError(WhitesquareError):
    """A data set, file or folder that cannot be used as it is."""


class ChangedError(DataError):
    """Data that changed between two looks at them: which of the two is meant nobody knows, so there is no verdict."""


class ContractError(WhitesquareError):
    """An attack, trigger or data set broke a promise it made; nothing of its result is used."""


class TrainingError(WhitesquareError):
    """Training did not produce a usable model."""


class UnfinishedError(WhitesquareError):
    """Work that was not done to its end, for a worker, a cluster, memory or the room on a disk was lost to it.

    It says nothing of the data, for or against, so nobody makes a verdict of it.
    """


class MissingDependencyError(WhitesquareError):
    """An optional part is needed and not installed."""


class VerificationError(WhitesquareError):
    """Signed evidence is not what it claims to be, or not what was asked for; nothing that follows from it holds."""


class NothingToDoError(WhitesquareError):
    """There is nothing to work on, or the evidence is missing; never the same as a pass."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that is not registered, with the nearest known one.

    Args:
        what: the kind of thing, e.g. ``"attack"``.
        name: what the caller asked for.
        known: the names that exist.
    """
    choices = sorted(known)
    plain = {one.lower(): one for one in reversed(choices)}
    near = get_close_matches(name, choices, n=1) or [plain[one] for one in get_close_matches(name.lower(), plain, n=1)]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UsageError(f"There is no {what} named {name!r}; known: {', '.join(choices)}.{hint}")


def malformed(error: Exception) -> str:
    """Say what is wrong with a record that others wrote, by what was raised where it was taken apart."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return f"a part of it is of another kind ({error})" if isinstance(error, TypeError | AttributeError) else str(error)


EXTRAS = {
    **dict.fromkeys(("numpy", "scipy", "sklearn", "PIL", "matplotlib", "jinja2"), "scan"),
    **dict.fromkeys(("torch", "safetensors"), "train"),
    **dict.fromkeys(("onnx", "onnxruntime"), "onnx"),
    "timm": "timm",
    "torchvision": "torchvision",
    "transformers": "hf",
    **dict.fromkeys(("starlette", "uvicorn"), "review"),
    **dict.fromkeys(("ray", "pyarrow"), "ray"),
    "mlflow": "mlflow",
    "pandas": "pandas",
    **dict.fromkeys(("umap", "hdbscan"), "flare"),
}
"""By module that the core does without, the extra that brings it."""


def missing_part(error: ModuleNotFoundError) -> MissingDependencyError | None:
    """Say how to install a module that an import did not find; ``None`` if none of the extras brings it."""
    module = (error.name or "").partition(".")[0]
    return _not_installed("This command", module, EXTRAS[module]) if module in EXTRAS else None


def require_extra(module: str, extra: str, what: str) -> None:
    """Refuse to go on if ``module`` of the optional part ``extra`` is not installed.

    Raises:
        MissingDependencyError: naming ``what`` needs it and the command that installs it.
    """
    if find_spec(module) is None:
        raise _not_installed(what, module, extra)


def _not_installed(what: str, module: str, extra: str) -> MissingDependencyError:
    return MissingDependencyError(f"{what} needs {module}; install it with: pip install 'whitesquare[{extra}]'")
