"""Options that every verb takes, added to its own."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from whitesquare.cli import terminal

_COMMON: dict[str, Any] = {
    "quiet": Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            is_eager=True,
            callback=terminal.be_quiet,
            help="Print no progress and no next step; errors and what was asked for remain.",
        ),
    ],
    "no_config": Annotated[
        bool, typer.Option("--no-config", help="Read no [tool.whitesquare] of a pyproject.toml above.")
    ],
}


def with_common(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that takes the common options, too, and hears nothing of them."""

    @functools.wraps(verb)
    def called(*, quiet: bool, no_config: bool, **given: Any) -> None:
        verb(**given)

    own = inspect.signature(verb).parameters.values()
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=one)
        for name, one in _COMMON.items()
    ]
    called.__signature__ = inspect.Signature([*own, *extra])  # type: ignore[attr-defined]
    called.__annotations__ = verb.__annotations__ | _COMMON
    return called
