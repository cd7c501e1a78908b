"""``whitesquare dossier``: what an auditor is told of a run, and whether it is still so."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli.exits import FINDINGS, NOTHING, PASS, emit, exit_codes, read_outputs
from whitesquare.cli.keys import open_key, open_trust
from whitesquare.errors import UsageError, require_extra


def dossier(
    run: Annotated[Path | None, typer.Argument(help="Folder of a trained model and its evidence.")] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Folder of trusted public keys; without it nothing signed is shown.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Private key, or a URI: sign the dossier.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Folder to write to; default: the run folder.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="A dossier (its .json, .html or signed statement): check it, and make none.")
    ] = None,
    about: Annotated[
        Path | None, typer.Option("--run", help="With --verify: the run folder; default: that of the dossier.")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", help="What is printed: table, json, or json=FILE; repeatable."),
    ] = None,
) -> None:
    """Tell an auditor what the data are, what was looked for, seen, found, decided, and by whose word; or verify that.

    Writes dossier.html, dossier.json and, with --key, dossier.sigstore.json. Exit code 1 if a file of the run cannot
    be used, or a dossier is not verified; 3 if evidence, or its signature, is missing.
    """
    with exit_codes():
        outputs = read_outputs(output, "table", "json")
        if verify is not None:
            if run is not None or key is not None or folder is not None:
                raise UsageError("--verify makes no dossier: name the run folder with --run, and leave --key out.")
            _verify(verify, about, trust, outputs)
        if run is None or about is not None:
            raise UsageError("Give the folder of a run, or --verify FILE with --run RUN to check a dossier.")
        _make(run, trust, key, folder, outputs)


def _make(
    run: Path, trust: Path | None, key: str | None, folder: Path | None, outputs: list[tuple[str, Path | None]]
) -> None:
    require_extra("jinja2", "scan", "`whitesquare dossier`")
    require_extra("matplotlib", "scan", "`whitesquare dossier`")
    if key is not None and trust is None:
        raise UsageError("A dossier is signed by a key that its readers trust; name their keys: --trust keys/")
    from whitesquare.auditing.compose import dossier_json
    from whitesquare.jobs.dossier import dossier as job
    from whitesquare.report.dossier.text import shown

    trusted = open_trust(trust) if trust is not None else ()
    done = job(run, trusted, signer=open_key(key) if key else None, folder=folder)
    names = tuple(str(path) for path in done.files)
    emit(outputs, lambda: shown(done.dossier, names), {"json": lambda: dossier_json(done.dossier)})
    raise typer.Exit(FINDINGS if done.dossier.problems else PASS)


def _verify(file: Path, run: Path | None, trust: Path | None, outputs: list[tuple[str, Path | None]]) -> None:
    from whitesquare.auditing.verify import verify_dossier
    from whitesquare.report.dossier.text import check_json, checked
    from whitesquare.signing.times import utc_now

    if trust is None:
        raise UsageError("A dossier is worth what its signature is; name the keys that you trust: --trust keys/")
    found = verify_dossier(file, run, open_trust(trust), utc_now())
    emit(outputs, lambda: checked(found), {"json": lambda: check_json(found)})
    raise typer.Exit(PASS if found.ok else NOTHING if found.only_missing else FINDINGS)
