"""The page of ``whitesquare review``: served until it is ended, and told of at the end."""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.errors import require_extra

Port = Annotated[int, typer.Option(help="Port of the page; default: a free one.", min=0, max=65535)]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address of the page, and open no browser.")]
AskedModel = Annotated[
    str | None, typer.Option(help="Model to ask about the trigger at work, instead of the scan's; see `scan --model`.")
]


@dataclass(frozen=True)
class PageAsked:
    """What the page is asked for; see :func:`whitesquare.jobs.review_page.review_page`."""

    scan: Path
    by: str
    role: str
    decisions: Path | None
    data: str | None
    size: int | None
    fit: str | None
    model: str | None
    port: int
    browser: bool


def serve_page(asked: PageAsked) -> None:
    """Serve the page until it is ended there or by Ctrl-C, and say what was decided.

    Raises:
        MissingDependencyError: the extra is not installed.
        UsageError: the port cannot be used.
        DataError: the scan or the decisions cannot be used.
    """
    for module in ("starlette", "uvicorn"):
        require_extra(module, "review", "`whitesquare review` without --list, --decide or --sign")
    if asked.model is not None:
        require_extra("torch", "train", "--model")
    from whitesquare.jobs.review_page import review_page

    counts = review_page(
        asked.scan,
        by=asked.by.strip() or getpass.getuser(),
        on_ready=_ready,
        role=asked.role,
        decisions=asked.decisions,
        data=asked.data,
        size=asked.size,
        fit=asked.fit,
        model=asked.model,
        port=asked.port,
        browser=asked.browser,
        on_note=terminal.complain,
    )
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    terminal.say(f"The review has ended: {told or 'nothing to decide'}.")


def _ready(address: str) -> None:
    terminal.say_lines(f"Review at {address}\n")
    terminal.suggest("Only this machine reaches it. End it on the page, or with Ctrl-C; every decision is kept.\n")
