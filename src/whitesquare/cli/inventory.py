"""``whitesquare inventory``: the data set and the model, for other people's lists."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare._base.safe_text import printable
from whitesquare.cli.exits import Writers, emit, exit_codes, read_outputs
from whitesquare.cli.keys import open_trust
from whitesquare.cli.options import Roles, Threshold
from whitesquare.errors import UsageError
from whitesquare.report.common.shown import Shown, ShownTable

if TYPE_CHECKING:
    from whitesquare.inventory.facts import Facts


def inventory(
    folder: Annotated[Path, typer.Argument(help="Folder that `attest`, or `train --attested`, wrote.")],
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", help="table, cyclonedx, croissant, or KIND=FILE; repeatable."),
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Folder of public keys; without it signatures are not verified.")
    ] = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
) -> None:
    """List a data set and its model as a CycloneDX bill of materials and as Croissant metadata."""
    with exit_codes():
        from whitesquare.inventory.croissant import croissant
        from whitesquare.inventory.cyclonedx import cyclonedx
        from whitesquare.inventory.facts import read_facts
        from whitesquare.signing.signatures import parse_signatures
        from whitesquare.signing.times import utc_now

        outputs = read_outputs(output, "table", "cyclonedx", "croissant")
        if trust is None and (signatures is not None or threshold > 1):
            raise UsageError("--signatures and --threshold say whose signatures count; name the keys: --trust keys/")
        now, asked = utc_now(), parse_signatures(signatures, threshold)
        facts = read_facts(folder, None if trust is None else open_trust(trust), now, asked)
        writers: Writers = {
            "cyclonedx": lambda: cyclonedx(facts, now),
            "croissant": lambda: croissant(facts, folder),
        }
        emit(outputs, lambda: _shown(facts), writers)


def _shown(facts: "Facts") -> list[Shown]:
    signed = facts.dataset
    files = [file for file in (facts.model, facts.manifest) if file]
    rows = [(file.name, "SHA-256", file.sha256) for file in files]
    name = f"{printable(signed.dataset.id)}, version {signed.dataset.version}"
    rows.append((name, printable(signed.tree.algorithm), printable(signed.tree.root)))
    alarms = facts.scan.alarms if facts.scan else ()
    confirmed = sum(alarm.tier == "confirmed" for alarm in alarms)
    scanned = f"{printable(facts.scan.verdict)}, {confirmed} confirmed findings" if facts.scan else "none"
    return [
        ShownTable("What is there", ("name", "by", "digest"), rows),
        ShownTable("\nStatements", ("file", "signature"), list(facts.signatures.items())),
        f"\nScan: {scanned}.",
    ]
