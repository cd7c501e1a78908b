"""``whitesquare attest``: say what a data set is, and sign it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.keys import open_key, open_trust
from whitesquare.cli.options import DataSource, OutputFolder
from whitesquare.cli.progress import progress
from whitesquare.cli.sharding import HashRay, HashResume, HashWorkers, open_way

if TYPE_CHECKING:
    from whitesquare.provenance.types import DatasetPredicate
    from whitesquare.signing.keys import Signer


def attest(
    data: DataSource,
    key: Annotated[list[str], typer.Option(help="Private key: a file, or URI#PUBLIC.pub; repeatable.")],
    output: OutputFolder,
    previous: Annotated[
        Path | None, typer.Option(help="Bundle of the version before; default: what OUTPUT holds.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Default: one more than the version before.", min=1)] = None,
    name: Annotated[str | None, typer.Option(help="What the data set is called in all its versions.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Address it came from; repeatable.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends to be accepted: 90d, or 2027-01-31.")] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Public keys that may have signed the version before; default: of --key.")
    ] = None,
    pixels: Annotated[bool, typer.Option("--pixels", help="Digest decoded pixels, too: tells a new encoding.")] = False,
    workers: HashWorkers = None,
    ray: HashRay = None,
    resume: HashResume = None,
) -> None:
    """Sign what a data set is: every file with its label, size and digest, in a manifest and a bundle."""
    with exit_codes():
        from whitesquare.provenance.attest import attest as sign
        from whitesquare.provenance.types import Source
        from whitesquare.signing.times import parse_expiry, utc_now

        now = utc_now()
        until = parse_expiry(expires, now) if expires else None
        trusted = open_trust(trust) if trust else ()
        way = open_way(workers, ray, resume)
        signers = [open_key(one) for one in key]
        with progress() as on_progress:
            made = sign(
                data,
                signers,
                output,
                previous=previous,
                version=version,
                name=name,
                sources=[Source(uri) for uri in source or ()],
                expires=until,
                pixels=pixels,
                trusted=trusted,
                now=now,
                way=way,
                on_progress=on_progress,
                on_note=terminal.complain,
            )
        _tell(made, data, signers, output)


def _tell(made: "DatasetPredicate", data: str, signers: list["Signer"], output: Path) -> None:
    from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
    from whitesquare.signing.sidecar import ABOUT
    from whitesquare.signing.trust_folder import PUBLIC

    samples = {split: found.size for split, found in made.splits.items()}
    others = made.tree.size - sum(samples.values())
    parts = [f"{size} {split} samples" for split, size in samples.items()]
    if others or not parts:
        parts.append(f"{others} other files")
    rows = [
        ("data set", f"{made.dataset.id}, version {made.dataset.version}"),
        ("items", f"{made.tree.size}: {', '.join(parts)}, in {len(made.classes)} classes"),
        *([("traits", _traits(made.traits))] if made.traits else []),
        ("root", made.tree.root),
        *(("source", one.uri) for one in made.sources),
        ("signed by", ", ".join(signer.keyid[:16] for signer in signers)),
        ("expires", made.expires or "never"),
        ("written", f"{output / MANIFEST} ({made.manifest.bytes} bytes), {BUNDLE}, {ENVELOPE}"),
    ]
    if not any(samples.values()):
        terminal.complain(_none_of(data))
    terminal.say_lines("".join(f"{what:<10} {terminal.printable(text)}\n" for what, text in rows))
    bundle = shlex.quote(str(output / BUNDLE))
    terminal.suggest(
        f"\nNext, with the public keys ({PUBLIC}, {ABOUT}) of those you trust in a folder:\n"
        f"  whitesquare verify {shlex.quote(data)} --bundle {bundle} --trust KEYS\n"
    )


def _none_of(data: str) -> str:
    """Say that nothing is signed as a sample of a class, and why, as far as that can be told."""
    from pathlib import Path

    from whitesquare.data.misplaced import refuse_misplaced
    from whitesquare.errors import DataError

    why = f"{data} has no class folders with images, directly or in train and test"
    try:
        refuse_misplaced(Path(data))
    except DataError as error:
        why = str(error)
    return f"No file is signed as a sample, so that nothing is known of its class: {why}"


def _traits(traits: dict[str, int]) -> str:
    """Say what the reader of an image must heed beside its pixels."""
    words = {
        "orientation": "are to be turned",
        "profile": "have a colour profile",
        "gamma": "state a gamma",
        "frames": "have several frames",
        "alpha": "may be transparent",
        "pointer": "are pointers of Git LFS and no images (git lfs pull)",
        "empty": "are empty files and no images",
        "damaged": "are damaged, so that not every program reads them, or none (scan --on-error skip names them)",
    }
    return ", ".join(f"{count} {words.get(name, name)}" for name, count in traits.items())
