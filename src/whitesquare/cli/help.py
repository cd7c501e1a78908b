"""How verbs are found and help is laid out: in groups, nothing cut, examples at the end, as wide as the terminal."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from whitesquare.cli.common import with_common
from whitesquare.cli.config import configured
from whitesquare.cli.examples import EXAMPLES, FIRST, GROUPS
from whitesquare.cli.exits import printing
from whitesquare.cli.made import remember
from whitesquare.cli.mistyped import Misuse, mistyped

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 10_000}
"""Settings of the command line: both names of help, and no line broken before the terminal ends."""

_FUNCTIONS = {"list": "list_"}
"""Verbs whose function could not have their name."""

VERBS = {name: text for verbs in GROUPS.values() for name, text in verbs.items()}


class Verb(TyperCommand):
    """One verb: its defaults may stand in ``pyproject.toml``, and its help ends with examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; what they leave out is as the configuration says."""
        if not ctx.resilient_parsing:
            ctx.default_map = configured(self, args)
        with printing():
            typed = list(args)  # Typer takes from the list what it has read
            try:
                return super().parse_args(ctx, args)
            except Misuse as error:
                error.message = mistyped(error, typed) or error.message
                raise

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Show commands that can be typed."""
        _write_examples(formatter, EXAMPLES.get(self.name or "", ()))


@cache
def verb_named(name: str) -> Any:
    """Return a verb, the function of the module of its name; none waits for the import of another."""
    module = import_module(f"whitesquare.cli.{name}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=Verb, short_help=VERBS[name])(with_common(getattr(module, _FUNCTIONS.get(name, name))))
    return typer.main.get_command(alone)


class VerbTable(Mapping[str, Any]):
    """The verbs by their names; each is made when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        """Return a verb."""
        if name not in VERBS:
            raise KeyError(name)
        return verb_named(name)

    def __iter__(self) -> Iterator[str]:
        """Name every verb, in the order of the help."""
        return iter(VERBS)

    def __len__(self) -> int:
        """Count the verbs."""
        return len(VERBS)


class GroupedVerbs(TyperGroup):
    """The verbs, below the heading of each group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, and keep them as they were typed."""
        remember(args)
        with printing():
            return super().parse_args(ctx, args)

    @property  # type: ignore[override]  # nothing is ever put into it
    def commands(self) -> Mapping[str, Any]:
        """Every verb by its name."""
        return VerbTable()

    @commands.setter
    def commands(self, none: Mapping[str, Any]) -> None:
        """Take no other: Typer knows of none."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List every verb with its line, by group."""
        for heading, verbs in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([*verbs.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Show how to begin."""
        _write_examples(formatter, FIRST)


def _write_examples(formatter: Any, examples: tuple[str, ...]) -> None:
    if examples:
        with formatter.section("Examples"):
            # Written, not laid out: a broken line could not be copied.
            formatter.write("".join(f"  {line}\n" for line in examples))
