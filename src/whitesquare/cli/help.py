"""How help is laid out: verbs in groups, nothing cut, examples at the end, as wide as the terminal."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from whitesquare.cli.config import configured
from whitesquare.cli.examples import EXAMPLES, FIRST, GROUPS

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 10_000}
"""Settings of the command line: both names of help, and no line broken before the terminal ends."""


class GroupedVerbs(TyperGroup):
    """The verbs, below the heading of each group."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List every verb with its line, by group."""
        for heading, verbs in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, text in verbs.items() if name in self.commands])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Show how to begin."""
        _write_examples(formatter, FIRST)


class Verb(TyperCommand):
    """One verb: its defaults may stand in ``pyproject.toml``, and its help ends with examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; what they leave out is as the configuration says."""
        if not ctx.resilient_parsing:
            ctx.default_map = configured(self, args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Show commands that can be typed."""
        _write_examples(formatter, EXAMPLES.get(self.name or "", ()))


def _write_examples(formatter: Any, examples: tuple[str, ...]) -> None:
    if examples:
        with formatter.section("Examples"):
            # Written, not laid out: a broken line could not be copied.
            formatter.write("".join(f"  {line}\n" for line in examples))
