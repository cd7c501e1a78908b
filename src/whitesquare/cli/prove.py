"""``whitesquare prove``: that one sample belongs to a signed data set."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare._base.safe_text import printable
from whitesquare.cli.exits import FINDINGS, PASS, emit, exit_codes, read_outputs
from whitesquare.cli.keys import open_trust
from whitesquare.cli.options import Bundle, Roles, Threshold, TrustFolder
from whitesquare.report.common.shown import Shown, laid_out

if TYPE_CHECKING:
    from whitesquare.provenance.prove import Proof


def prove(
    id: Annotated[str, typer.Argument(help="Id of a sample: its path below the data set's folder, or train/00042.")],
    bundle: Bundle,
    trust: TrustFolder,
    data: Annotated[str | None, typer.Option(help="Data set: compare the sample as it lies there, too.")] = None,
    split: Annotated[str | None, typer.Option(help="train or test, where both have a sample of that id.")] = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
    output: Annotated[
        list[str] | None, typer.Option("-o", "--output", help="table, json, or json=FILE; repeatable.")
    ] = None,
) -> None:
    """Print the inclusion proof of one sample, checked against the signed root; no other sample is shown."""
    with exit_codes():
        outputs = read_outputs(output, "table", "json")
        from whitesquare.provenance.prove import look_up
        from whitesquare.provenance.prove import prove as make
        from whitesquare.signing.signatures import parse_signatures

        asked = parse_signatures(signatures, threshold)
        proof = make(id, bundle, open_trust(trust), split=split, asked=asked)
        difference = None if data is None else look_up(data, proof)
        emit(outputs, lambda: _shown(proof, difference), {"json": lambda: _json(proof, difference)})
        raise typer.Exit(FINDINGS if difference else PASS)


def _json(proof: "Proof", difference: str | None) -> str:
    item, predicate = proof.item, proof.predicate
    record = {
        "ok": not difference,
        "reason": difference or "",
        "id": item.id,
        "label": item.label,
        "split": item.split,
        "size": item.size,
        "sha256": item.sha256.hex(),
        "leaf": proof.leaf.hex(),
        "index": proof.index,
        "tree_size": predicate.tree.size,
        "path": [one.hex() for one in proof.path],
        "root": predicate.tree.root,
        "dataset": {"id": predicate.dataset.id, "version": predicate.dataset.version},
        "signers": [{"name": key.name, "keyid": key.keyid, "role": key.role} for key in proof.signers],
        "data": None if difference is None else "other" if difference else "same",
    }
    return json.dumps(record, indent=1) + "\n"


def _shown(proof: "Proof", difference: str | None) -> list[Shown]:
    item, predicate = proof.item, proof.predicate
    rows = [
        ("sample", item.id),
        ("class", item.label or "no sample"),
        ("split", item.split or "none"),
        ("content", f"{item.size} bytes, SHA-256"),
        ("", item.sha256.hex()),
        ("leaf", proof.leaf.hex()),
        ("index", f"{proof.index} of {predicate.tree.size}"),
        *(("path" if not i else "", one.hex()) for i, one in enumerate(proof.path)),
        ("root", predicate.tree.root),
        ("data set", f"{predicate.dataset.id}, version {predicate.dataset.version}"),
        ("signed by", ", ".join(key.name for key in proof.signers)),
    ]
    lines = [f"{name:<10} {printable(text)}" for name, text in rows]
    lines.append("\nPROVEN: leaf and path lead to the signed root.")
    if difference is not None:
        said = f"NOT THE SIGNED ONE: {difference}" if difference else "The sample as it lies there is the signed one"
        lines.append(f"{printable(said)}.")
    return laid_out(lines)
