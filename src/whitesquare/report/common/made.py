"""When a page was made, and by which command: the first question of whoever finds one."""

from dataclasses import dataclass

from whitesquare.records import Made
from whitesquare.report.common import formats


@dataclass(frozen=True)
class ShownMade:
    """The same as a page shows it: the time to the minute, and a command without what it must not show."""

    shown_at: str
    command: str


def shown_made(made: Made | None) -> ShownMade | None:
    """Make it safe to read; ``None`` where it is not known."""
    if made is None:
        return None
    return ShownMade(f"{made.at[:16].replace('T', ' ')} UTC", formats.visible(made.command) if made.command else "")
