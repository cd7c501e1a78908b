"""Defaults of verbs, from ``[tool.whitesquare.VERB]`` of the nearest ``pyproject.toml`` upwards that has such tables.

What says whom to trust is never read from there: whoever writes a file of the project would decide what passes.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from whitesquare._base.safe_text import printable
from whitesquare._base.toml_text import parse_toml
from whitesquare.cli import terminal
from whitesquare.cli.examples import GROUPS
from whitesquare.cli.exits import exit_codes
from whitesquare.errors import UsageError, unknown_name

SWITCH = "WHITESQUARE_NO_CONFIG"
"""Environment variable that, if it is not empty, has no configuration read."""

_FILE = "pyproject.toml"
_ATTACK, _FIND, *_DECIDE = GROUPS.values()
_OPEN = (*_ATTACK, *_FIND)
"""Verbs whose defaults may be configured; the others decide what is trusted."""
_TRUST = frozenset(
    ("attested", "reference_attested", "trust", "threshold", "signatures", "key", "state", "policy", "accepted_by")
)
_NONE = object()
"""What stands for no table at all."""
_OURS = frozenset(("quiet", "no_config", "help"))


def configured(verb: Any, args: Sequence[str]) -> dict[str, Any]:
    """Return the defaults that the configuration gives a verb, by parameter; empty where there is none.

    Args:
        verb: the command of Typer.
        args: what was typed after its name.
    """
    before = args[: args.index("--")] if "--" in args else args
    if {"--no-config", "--help", "-h"} & set(before) or os.environ.get(SWITCH):
        return {}
    with exit_codes():
        strict = verb.name in _OPEN
        path, tables = _nearest(Path.cwd(), strict=strict)
        if path is None:
            return {}
        if not strict:
            if verb.name in tables:
                raise _refused(path, verb.name)
            return {}
        for name in tables:
            if name not in _OPEN:
                raise _refused(path, name) if any(name in one for one in _DECIDE) else _unknown(path, name, _OPEN)
        asked = tables.get(verb.name, {})
        if not isinstance(asked, dict):
            raise UsageError(f"{path}: [tool.whitesquare.{verb.name}] must be a table of options, such as size = 32.")
        if asked and (inside := _judged(path.parent, args)):
            terminal.complain(f"{path} lies in {inside}, which this command reads as data, so its options are ignored.")
            return {}
        found = _defaults(verb, asked, path)
        if found and not {"--quiet", "-q"} & set(before):
            terminal.complain(f"Options from {path} ([tool.whitesquare.{verb.name}]): {', '.join(asked)}.")
        return found


def _nearest(folder: Path, *, strict: bool) -> tuple[Path | None, Mapping[str, Any]]:
    """Return the nearest file upwards that has a table for us; one that cannot be read counts if ``strict``."""
    for place in (folder, *folder.parents):
        path = place / _FILE
        try:
            if not path.is_file():
                continue
            tables = parse_toml(path.read_bytes()).get("tool", {}).get("whitesquare", _NONE)
        except (OSError, ValueError, AttributeError) as error:
            if strict:
                raise UsageError(
                    f"{path} cannot be read: {error}; mend it, or give --no-config so that it is not read."
                ) from error
            continue
        if isinstance(tables, dict):
            return path, tables
        if tables is not _NONE and strict:
            raise UsageError(
                f"{path}: [tool.whitesquare] holds tables of options by verb, and it is {tables!r:.60}; write "
                "[tool.whitesquare.scan], and below it a line for each option."
            )
    return None, {}


def _refused(path: Path, verb: str) -> UsageError:
    return UsageError(
        f"{path} has a table [tool.whitesquare.{verb}], and what decides whom to trust is not taken from a file of the "
        "project; give its options on the command line, and remove the table."
    )


def _unknown(path: Path, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(f"{path}, [tool.whitesquare]: {unknown_name('table', name, known)}")


def _judged(folder: Path, args: Sequence[str]) -> str:
    """Return the argument that names a folder around ``folder``, or it: who wrote those data would choose options."""
    for arg in args:
        named = arg.partition("=")[2] if arg.startswith("-") else arg
        place = Path(named)
        if named and place.is_dir() and (place.resolve() == folder or place.resolve() in folder.parents):
            return printable(arg)
    return ""


def _defaults(verb: Any, asked: Mapping[str, Any], path: Path) -> dict[str, Any]:
    options = {
        name[2:].replace("-", "_"): one for one in verb.params for name in (*one.opts, one.name) if name[:2] == "--"
    }
    hints = get_type_hints(verb.callback)
    known = sorted(set(options) - _TRUST - _OURS)
    found: dict[str, Any] = {}
    for key, value in asked.items():
        name, where = key.replace("-", "_"), f"{path}, [tool.whitesquare.{verb.name}]"
        if name in _TRUST:
            raise UsageError(
                f"{where}: {key!r} says whom to trust, and that is not taken from a file of the project; give it on "
                "the command line, and remove the line."
            )
        if name not in known:
            raise UsageError(f"{where}: {unknown_name('option', key, known)}")
        option = options[name]
        values = value if isinstance(value, list) else [value]
        flag = bool(option.is_flag)
        if isinstance(value, list) > bool(option.multiple) or not all(_fits(one, flag=flag) for one in values):
            wanted = "true or false" if flag else "text or a number" + (", or a list" if option.multiple else "")
            raise UsageError(f"{where}: {key} must be {wanted}; got {value!r:.80}.")
        placed = Path in (hints.get(option.name), *get_args(hints.get(option.name)))
        read = [one if flag else str(path.parent / one) if placed else str(one) for one in values]
        found[option.name] = read if option.multiple else read[0]
    return found


def _fits(value: Any, *, flag: bool) -> bool:
    return isinstance(value, bool) if flag else isinstance(value, str | int | float) and not isinstance(value, bool)
