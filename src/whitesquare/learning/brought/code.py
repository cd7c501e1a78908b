"""A network that the user's own code builds: ``package.module:build``. That code is run, because the user names it."""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.learning.brought.types import BroughtModel, Wanted
from whitesquare.learning.brought.weights import put_into, read_state
from whitesquare.types import Classifier

_OURS = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", importlib.__file__)
"""Where what imports the user's code stands: no line of theirs."""
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
        kind = f"the class {found.__name__}" if isinstance(found, type) else f"a {type(found).__name__}"
        raise UsageError(
            f"{name} gives {kind}, and a network was expected: let it return a torch.nn.Module, or "
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
    """Let code in the current directory be imported, as Python itself does for a script that lies there.

    What it prints goes to standard error, for results go to the other; what it sets for the whole process, such as the
    current directory that outputs are named from, is set back.
    """
    place, kind, slopes = str(Path.cwd()), torch.get_default_dtype(), torch.is_grad_enabled()
    sys.path.insert(0, place)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(place)
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(slopes)
        if place in sys.path:
            sys.path.remove(place)


def _imported(module: str, path: str, name: str) -> tuple[str, object]:
    try:
        found: object = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"The code of {module} needs the module {error.name}, which is not installed.") from error
        if path == "py" or module.endswith(".py"):
            raise UsageError(
                f"{name} names a file, and Python imports modules by their names; write {module.removesuffix('.py')}:"
                f"{'build' if path == 'py' else path}, in the folder where the file lies."
            ) from error
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
            raise UsageError(f"{module} ({place}) has no {part!r}{hint}{_hidden(module, place)}")
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


def _hidden(module: str, place: str) -> str:
    """Say that a file in the current directory is not the module of its name, which was imported before."""
    mine = Path.cwd() / f"{module.replace('.', '/')}.py"
    if not mine.is_file() or Path(place).resolve() == mine.resolve():
        return ""
    return f" {mine} is hidden by it, which was imported before; give your file another name."


def _said(error: BaseException) -> str:
    """Say what was raised, and in which line of the user's code."""
    first = str(error).splitlines()
    said = f"{type(error).__name__}: {first[0]:.200}" if first else type(error).__name__
    lines = [one for one in traceback.extract_tb(error.__traceback__) if one.filename not in (__file__, *_OURS)]
    where = f" ({lines[-1].filename}, line {lines[-1].lineno})" if lines else ""
    if isinstance(error, ImportError) and "relative import" in said:
        where += "; go to the folder above its package and name it package.module:build"
    return f"{said}{where}"
