"""A network that the user's own code builds: ``package.module:build``. That code is run, because the user names it."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from torch import nn

from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.brought.types import BroughtModel, Wanted
from whitesquare.learning.brought.weights import put_into, read_state
from whitesquare.types import Classifier

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_code(name: str) -> bool:
    """Tell whether a name is one of code: ``package.module:build``."""
    return _NAME.fullmatch(name) is not None


def bring_code(name: str, wanted: Wanted) -> BroughtModel:
    """Import a module, call what builds the network, and put the weights into it, if there are any.

    Raises:
        UsageError: there is no such module or name, its code fails, or what it builds is no model.
        DataError: the weights are damaged or do not fit.
    """
    module, _, path = name.partition(":")
    with _here():
        place, found = _imported(module, path, name)
        if not isinstance(found, nn.Module):
            found = _built(found, name)
    if not isinstance(found, nn.Module | Classifier):
        raise UsageError(
            f"{name} gives a {type(found).__name__}, and a network was expected: let it return a torch.nn.Module, or "
            "an object with classes, device, feature_layer, logits and features (see whitesquare.types.Classifier)."
        )
    notes, digest = [f"The code of {module} ({place}) was imported and run, because the model names it."], ""
    said = (wanted.weights, wanted.preprocess, wanted.layer)
    if not isinstance(found, nn.Module) and any(one is not None for one in said):
        raise UsageError(
            f"{name} gives a classifier, which has its own weights, preprocess and layer; leave --weights, "
            "--preprocess and --layer out."
        )
    if isinstance(found, nn.Module) and wanted.weights is not None:
        state, digest = read_state(wanted.weights)
        notes += put_into(found, state, wanted.weights)
    return BroughtModel(found, digest, notes=tuple(notes))


@contextmanager
def _here() -> Iterator[None]:
    """Let code in the current directory be imported, as Python itself does for a script that lies there."""
    place = str(Path.cwd())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        if place in sys.path:
            sys.path.remove(place)


def _imported(module: str, path: str, name: str) -> tuple[str, object]:
    try:
        found: object = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"The code of {module} needs the module {error.name}, which is not installed.") from error
        near = get_close_matches(module, [one.stem for one in Path.cwd().glob("*.py")], n=1)
        hint = f" Did you mean {near[0]}:{path}?" if near else ""
        raise UsageError(
            f"There is no module {error.name!r} in {Path.cwd()} or among what is installed, so {name} cannot be "
            f"imported; expected package.module:function.{hint}"
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"The code of {module} failed when it was imported: {_said(error)}.") from error
    place = str(getattr(found, "__file__", None) or "built in")
    for part in path.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise UsageError(f"{module} ({place}) has no {part!r}{hint}")
        found = getattr(found, part)
    return place, found


def _built(build: object, name: str) -> object:
    if isinstance(build, Classifier) and not isinstance(build, type):
        return build
    if not callable(build):
        raise UsageError(f"{name} is a {type(build).__name__} and cannot be called; expected a function or a class.")
    try:
        return build()
    except WhitesquareError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{name}() failed: {_said(error)}; expected a function without arguments that returns the network."
        ) from error


def _said(error: BaseException) -> str:
    first = str(error).splitlines()
    return f"{type(error).__name__}: {first[0]:.200}" if first else type(error).__name__
