"""``whitesquare verify``: is a data set the signed one, and if not, what became of each sample."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli.exits import FINDINGS, PASS, Writers, check_page, emit, exit_codes, read_outputs
from whitesquare.cli.keys import open_trust
from whitesquare.cli.made import made_now
from whitesquare.cli.options import Bundle, DataSource, Roles, Threshold, TrustFolder
from whitesquare.cli.progress import progress
from whitesquare.cli.sharding import HashRay, HashResume, HashWorkers, open_way
from whitesquare.errors import UsageError
from whitesquare.provenance.evidence import REMOVED

if TYPE_CHECKING:
    from whitesquare.provenance.verify import Verification


def verify(
    data: DataSource,
    bundle: Bundle,
    trust: TrustFolder,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers the last version accepted; default: one of this user.")
    ] = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
    dataset: Annotated[str | None, typer.Option(help="Id of the data set that it must be.")] = None,
    min_version: Annotated[int, typer.Option(help="Lowest version that it may be.", min=1)] = 1,
    manifest: Annotated[str | None, typer.Option(help="SHA-256 of the manifest that it must be.")] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", help="table, json, html, sarif, junit, or KIND=FILE, parquet=FILE; repeatable."),
    ] = None,
    workers: HashWorkers = None,
    ray: HashRay = None,
    resume: HashResume = None,
) -> None:
    """Compare a data set with what was signed, and name what was changed, added, removed, relabelled or renamed.

    With the removed.sigstore.json that `cleanse --key` wrote: whether the data are what was kept then.
    """
    with exit_codes():
        if bundle.name == REMOVED:
            from whitesquare.cli.removal import refuse_others, verify_removal

            lowest = None if min_version == 1 else min_version
            refuse_others({"--state": state, "--dataset": dataset, "--min-version": lowest, "--manifest": manifest})
            refuse_others({"--workers": workers, "--ray": ray, "--resume": resume})
            verify_removal(data, bundle, trust, signatures, threshold, output)
        outputs = read_outputs(output, "table", "json", "html", "parquet", "sarif", "junit")
        check_page(outputs)
        if ("parquet", None) in outputs:
            raise UsageError("-o parquet is not text; write -o parquet=FILE.")
        from whitesquare.provenance.pins import Pins
        from whitesquare.provenance.state import state_file
        from whitesquare.provenance.verify import verify as compare
        from whitesquare.signing.signatures import parse_signatures

        asked, pins = parse_signatures(signatures, threshold), Pins(dataset, min_version, manifest)
        trusted, place, way = open_trust(trust), state_file(state), open_way(workers, ray, resume)
        with TemporaryDirectory(prefix="whitesquare-") as folder:
            with progress() as on_progress:
                found = compare(
                    data,
                    bundle,
                    trusted,
                    Path(folder),
                    state=place,
                    asked=asked,
                    pins=pins,
                    way=way,
                    on_progress=on_progress,
                )
            _emit(found, outputs, str(bundle), str(trust))
        raise typer.Exit(PASS if found.ok else FINDINGS)


def _emit(found: "Verification", outputs: list[tuple[str, Path | None]], bundle: str, trust: str) -> None:
    from whitesquare._base.files import whole_file
    from whitesquare.report.verify import text as verify_text

    def json_file(path: Path) -> None:
        with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
            file.writelines(verify_text.verification_json(found))

    def parquet_file(path: Path) -> None:
        from whitesquare.provenance.changes import write_changes

        write_changes(found.changes, path)

    def sarif() -> str:
        from whitesquare.report.verify.sarif import verification_sarif

        return verification_sarif(found)

    def junit() -> str:
        from whitesquare.report.verify.junit import verification_junit

        return verification_junit(found)

    def page() -> str:
        from whitesquare.report.verify.page import render_verification

        return render_verification(found, made_now(), again)

    again = verify_text.command(found.source, bundle, trust)
    writers: Writers = {
        "json": lambda: verify_text.verification_json(found),
        "html": page,
        "sarif": sarif,
        "junit": junit,
    }
    emit(outputs, lambda: verify_text.shown(found, again), writers, {"json": json_file, "parquet": parquet_file})
