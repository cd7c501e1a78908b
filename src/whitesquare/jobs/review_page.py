"""Reviewing on a page: a scan is opened, served to the browser of this machine, and told of at the end."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare._base.garbage import left_alone, looked_at_again
from whitesquare.learning.asking import Asking
from whitesquare.records import OnNote, unheard
from whitesquare.reviewing.asking import asker
from whitesquare.reviewing.review import open_review
from whitesquare.reviewing.serve import serve

if TYPE_CHECKING:
    from whitesquare.learning.given import Given


def review_page(
    scan: Path,
    *,
    by: str,
    on_ready: Callable[[str], None],
    role: str = "",
    decisions: Path | None = None,
    data: str | None = None,
    size: int | None = None,
    fit: str | None = None,
    model: "Given | None" = None,
    device: str = "cpu",
    port: int = 0,
    browser: bool = True,
    on_note: OnNote = unheard,
) -> dict[str, int]:
    """Show a scan on a page of this machine, on which a person decides; ends when the page or an interrupt ends it.

    Args:
        scan: its ``scan.json``, or the folder in which that lies.
        by: who decides.
        on_ready: told the address of the page.
        role: as what.
        decisions: the file; ``None`` is ``decisions.jsonl`` beside the scan, which is made if it is not there.
        data: the data set, where it is not where the scan says; without it, the page shows what lies beside the scan.
        size: both sides that image files were brought to for the scan.
        fit: how.
        model: is asked about the trigger at work, instead of what the scan's model answered.
        device: where that computes.
        port: to listen on; 0 takes a free one.
        browser: whether to open the browser.
        on_note: told what was done so that the model could be asked.

    Returns:
        Number of samples by where they stand: ``open``, the choices, and ``disagreed``.

    Raises:
        UsageError: the port cannot be used, or a model that does not fit.
        DataError: the scan or the decisions cannot be read, or the decisions cannot be written.
    """
    ask = None if model is None else asker(model if isinstance(model, Asking) else Asking(model), device, on_note)
    try:
        with left_alone():
            desk = open_review(scan, decisions, by, role=role, data=data, size=size, fit=fit, ask=ask)
        serve(desk, on_ready, port=port, browser=browser)
    finally:
        looked_at_again()
    desk.board.refresh()
    return desk.board.counts()
