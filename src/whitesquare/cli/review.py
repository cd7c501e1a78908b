"""``whitesquare review``: what people decide about what a scan found."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.keys import open_key
from whitesquare.cli.options import Fit, Size
from whitesquare.cli.review_page import AskedModel, NoBrowser, PageAsked, Port, serve_page
from whitesquare.errors import UsageError


class Choice(StrEnum):
    """What a person says of a sample; ``undo`` takes back what the person said before."""

    KEEP = "keep"
    REMOVE = "remove"
    RELABEL = "relabel"
    UNSURE = "unsure"
    UNDO = "undo"


def review(
    scan: Annotated[Path, typer.Argument(help="scan.json that `scan DATA -o json=scan.json` wrote, or its folder.")],
    list_: Annotated[bool, typer.Option("--list", help="Show what is decided, open and disagreed, and stop.")] = False,
    decide: Annotated[Choice | None, typer.Option(help="Decide so about every --id, and stop.")] = None,
    id: Annotated[list[str] | None, typer.Option("--id", help="Id of a sample, with --decide; repeatable.")] = None,
    label: Annotated[str, typer.Option(help="Class that it should have, with --decide relabel.")] = "",
    why: Annotated[str, typer.Option(help="Reason, with --decide.")] = "",
    by: Annotated[str, typer.Option(help="Who decides.")] = "",
    role: Annotated[str, typer.Option(help="As what: data, review, ...")] = "",
    sign: Annotated[
        str | None, typer.Option(metavar="KEY", help="Sign the decisions with a private key (file or URI), and stop.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="File of decisions; default: decisions.jsonl beside the scan.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The data set, where it is not where the scan says.")] = None,
    output: Annotated[
        list[str] | None, typer.Option("-o", "--output", help="With --list: table, json or json=FILE; repeatable.")
    ] = None,
    port: Port = 0,
    no_browser: NoBrowser = False,
    model: AskedModel = None,
    size: Size = None,
    fit: Fit = None,
) -> None:
    """Decide on a page in the browser about the samples that a scan flagged; list the decisions; sign them."""
    with exit_codes():
        _check(scan, list_=list_, decide=decide, ids=id or [], by=by, sign=sign, output=output)
        if list_:
            _list(scan, decisions, output)
        elif decide is not None:
            from whitesquare.jobs import review as job

            choice = "" if decide is Choice.UNDO else decide.value
            marks = job.decide(
                scan, id or [], choice, by=by, role=role, why=why, label=label, data=data, decisions=decisions
            )
            terminal.say(f"Wrote {len(marks)} decision{'s' * (len(marks) != 1)} by {by}: {decide.value}.")
        elif sign is not None:
            _sign(scan, sign, data, decisions)
        else:
            asked = PageAsked(scan, by, role, decisions, data, size, fit, model, port, not no_browser)
            serve_page(asked)


def _check(
    scan: Path,
    *,
    list_: bool,
    decide: Choice | None,
    ids: list[str],
    by: str,
    sign: str | None,
    output: list[str] | None,
) -> None:
    """Refuse what cannot be meant."""
    asked = [
        name
        for name, given in (("--list", list_), ("--decide", decide), ("--sign", sign))
        if given not in (False, None)
    ]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are different things to do; do one after the other.")
    if decide is not None and (not ids or not by.strip()):
        raise UsageError("--decide needs the samples and who decides: --id ID --by NAME.")
    if decide is None and ids:
        raise UsageError("--id names samples to decide about; add --decide keep, remove, relabel, unsure or undo.")
    if output and not list_:
        raise UsageError("-o is how --list is written; add --list, or leave it out.")


def _list(scan: Path, decisions: Path | None, output: list[str] | None) -> None:
    from whitesquare.jobs.review import review as look
    from whitesquare.report.review.text import review_json, shown

    outputs = read_outputs(output, "table", "json")
    found = look(scan, decisions)
    emit(outputs, lambda: shown(found), {"json": lambda: review_json(found)})


def _sign(scan: Path, key: str, data: str | None, decisions: Path | None) -> None:
    from whitesquare.jobs.review import sign_decisions

    done = sign_decisions(scan, open_key(key), data=data, decisions=decisions)
    counts = ", ".join(f"{number} {name}" for name, number in done.evidence.counts.items() if number)
    if done.replaced:
        terminal.complain(
            f"{done.path} held {done.replaced} signature{'s' * (done.replaced != 1)} of other decisions, which "
            "are gone; whoever made them must sign again."
        )
    number = len(done.evidence.decisions)
    terminal.say(f"Signed {number} decision{'s' * (number != 1)} ({counts}): {done.path}")
    terminal.say(f"It holds {done.signatures} signature{'s' * (done.signatures != 1)}.")
