"""``whitesquare cleanse``: a data set without what a scan found in it."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.keys import open_key
from whitesquare.cli.options import DataSource, Fit, Format, OutputFolder, Size, same_size
from whitesquare.cli.progress import progress

if TYPE_CHECKING:  # it loads NumPy, which `--help` must not wait for
    from whitesquare.jobs.cleanse import Cleansing


_FEW = 5


class Tier(StrEnum):
    """How sure a scan is of a sample."""

    CONFIRMED = "confirmed"
    SUSPICIOUS = "suspicious"
    REVIEW = "review"


def cleanse(
    data: DataSource,
    scan: Annotated[Path, typer.Option(help="scan.json that `scan DATA -o json=scan.json` wrote.")],
    output: OutputFolder,
    tier: Annotated[
        Tier | None, typer.Option(help="Weakest tier to remove; default: confirmed, or with --top every one.")
    ] = None,
    top: Annotated[int | None, typer.Option(help="Remove that many at most, the most suspicious first.")] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(help="What people decided (`whitesquare review`): only that counts, and neither tiers nor --top."),
    ] = None,
    keep_open: Annotated[
        bool, typer.Option("--keep-open", help="Keep samples about which people are unsure or disagree.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="Private key, or a URI: sign what was removed, and what is kept.")
    ] = None,
    size: Size = None,
    fit: Fit = None,
    format: Annotated[Format | None, typer.Option(help="How it is written; default: as the source is.")] = None,
) -> None:
    """Write a data set without the samples that a scan flagged, and a list of what was removed and why.

    With --decisions, what people decided is done instead: samples are removed, or get the class that people gave them.
    """
    with exit_codes():
        from whitesquare.jobs.cleanse import cleanse as take_out

        signer = open_key(key) if key else None
        with progress() as on_progress:
            done = take_out(
                data,
                scan,
                output,
                tier=tier.value if tier else None,
                top=top,
                decisions=decisions,
                keep_open=keep_open,
                fmt=format.value if format else None,
                size=size,
                fit=fit,
                signer=signer,
                on_progress=on_progress,
            )
        _tell(done, data, output, same_size(size, fit))


def _tell(done: "Cleansing", data: str, output: Path, options: str) -> None:
    """Say what was removed, and which commands prove the effect."""
    from whitesquare.data import has_test, open_dataset
    from whitesquare.data.classes import class_option
    from whitesquare.data.layouts import place_of
    from whitesquare.jobs.cleanse import REMOVED
    from whitesquare.jobs.runs import read_manifest
    from whitesquare.provenance.evidence import REMOVED as STATEMENT
    from whitesquare.report.common.formats import plain, quoted

    classes = "; ".join(f"{gone} of {had} in class {quoted(name)}" for name, (gone, had) in done.by_class.items())
    told = f" ({classes})" if classes else ""
    terminal.say(plain(f"Removed {len(done.removed)} of {done.before} samples{told}: see {output / REMOVED}."))
    if (output / STATEMENT).is_file():
        terminal.say(f"Signed: {terminal.printable(str(output / STATEMENT))}.")
    _tell_decided(done)
    if done.skipped:
        terminal.say(f"{len(done.skipped)} files that could not be read are not in the copy either.")
    if done.beside:
        some = ", ".join(map(quoted, done.beside[:_FEW])) + ", ..." * (len(done.beside) > _FEW)
        terminal.say(plain(f"Not read, and not in the copy: {some} in {data}."))
    copy, victim = shlex.quote(done.copy), shlex.quote(f"{output}-victim")
    lines = [f"whitesquare train {copy} --seed 7 -o {victim}{options}"]
    manifest = None if (place := place_of(data)) is None else read_manifest(place)
    if manifest is not None and has_test(data):
        # The victim does not lie in the poisoned run, so that run's trigger has to be named.
        target = class_option(manifest.target, open_dataset(done.copy).classes)
        asked = f"--trigger {shlex.quote(manifest.trigger)} --target {target}"
        lines.append(f"whitesquare measure {victim} {asked}{options}")
    else:
        lines.insert(0, f"whitesquare scan {copy}{options}")
    terminal.suggest("\nNext:\n" + "".join(f"  {line}\n" for line in lines))


def _tell_decided(done: "Cleansing") -> None:
    """Say what people's decisions did besides, and what stays without one."""
    from whitesquare.report.common.formats import plain, plural, quoted

    if done.relabelled:
        first, number = done.relabelled[0], len(done.relabelled)
        said = f"{quoted(first.id)} is {quoted(first.after)} and was {quoted(first.before)}"
        more = ", and so on" if number > 1 else ""
        terminal.say(
            plain(f"{plural(number, 'sample')} {'have' if number > 1 else 'has'} another class: {said}{more}.")
        )
    if number := len(done.kept_open):
        stay = "stay" if number > 1 else "stays"
        terminal.say(plain(f"{plural(number, 'sample')} {stay} about which people are unsure or disagree."))
    if number := len(done.undecided):
        them = "stay because nobody decided about them" if number > 1 else "stays because nobody decided about it"
        terminal.say(plain(f"{plural(number, 'flagged sample')} {them}."))
