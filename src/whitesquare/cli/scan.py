"""``whitesquare scan``: find poison in a training set."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare import terminal
from whitesquare.cli.attested import Bundle, Key, ReferenceBundle, Roles, Threshold, Trust, open_attested, open_signer
from whitesquare.cli.exits import (
    FINDINGS,
    NOTHING,
    PASS,
    UNDECIDED,
    Writers,
    check_outputs,
    emit,
    exit_codes,
    read_outputs,
)
from whitesquare.cli.options import DataSource, OnError, Seed
from whitesquare.errors import UsageError, require_extra

if TYPE_CHECKING:  # all of them load NumPy or cryptography, which `--help` must not wait for
    from whitesquare.provenance.attested import Attested
    from whitesquare.provenance.consumed import Reading
    from whitesquare.scan.signed import AttestedScan
    from whitesquare.scan.types import Scan, ScanResult
    from whitesquare.types import ImageDataset, Progress

_FILES = ("parquet", "attestation")


class FailOn(StrEnum):
    """The weakest tier of an alarm that ends a scan with exit code 1."""

    CONFIRMED = "confirmed"
    SUSPICIOUS = "suspicious"


def scan(
    data: DataSource,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            help="table, json, html, sarif, junit, or KIND=FILE, parquet=FILE, attestation=FILE; repeatable.",
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model trained on DATA; default: the scan trains two.")] = None,
    reference: Annotated[str | None, typer.Option(help="Data set of samples known to be clean.")] = None,
    model_free: Annotated[
        bool, typer.Option("--model-free", help="Use no model: fast, no PyTorch, but nothing can be confirmed.")
    ] = False,
    truth: Annotated[Path | None, typer.Option(help="ground-truth.json of DATA: rate the ranking by it.")] = None,
    seed: Seed = 0,
    detectors: Annotated[str, typer.Option(help="default, all, or names separated by commas.")] = "default",
    fail_on: Annotated[FailOn, typer.Option(help="Weakest tier that ends with exit code 1.")] = FailOn.SUSPICIOUS,
    on_error: Annotated[OnError, typer.Option(help="What to do about image files that cannot be read.")] = OnError.FAIL,
    attested: Bundle = None,
    reference_attested: ReferenceBundle = None,
    trust: Trust = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
    key: Key = None,
) -> None:
    """Scan a training set for poison: which classes, which samples, on what evidence, and how sure."""
    with exit_codes():
        outputs = read_outputs(output, "table", "json", "parquet", "html", "sarif", "junit", "attestation")
        _check(outputs, model=model, model_free=model_free)
        _check_signing(outputs, attested, key)
        _check_reference(reference, attested, reference_attested)
        from whitesquare.runs import GROUND_TRUTH, read_truth
        from whitesquare.scan.run import ScanSettings, run_scan
        from whitesquare.scan.signed import AttestedScan, reference_record

        settings = ScanSettings(seed=seed, detectors=_names(detectors), model_free=model_free)
        known = read_truth(truth / GROUND_TRUTH if truth.is_dir() else truth) if truth else None
        allowed, signer = open_attested(attested, trust, threshold, signatures), open_signer(key)
        vouched = open_attested(reference_attested, trust, threshold, signatures) if reference_attested else None
        with terminal.progress() as on_progress:
            dataset, reading, skipped = _read(data, allowed, on_error, on_progress)
            trusted, record = None, None
            if reference is not None:
                trusted, beside, left_out = _read(reference, vouched, on_error, on_progress)
                skipped |= {f"reference/{name}": reason for name, reason in left_out.items()}
                if vouched and beside:
                    record = reference_record(beside.consumed(trusted.ids), vouched.signed)
            work = None
            if allowed and reading:
                consumed = reading.consumed(dataset.ids)
                work = AttestedScan(reading, consumed, allowed.signed.sha256, signer, record)
            found = run_scan(
                dataset,
                settings,
                source=data,
                model=model,
                reference=trusted,
                truth=known,
                skipped=skipped,
                on_progress=on_progress,
            )
        _emit(found, dataset, outputs, work)
        raise typer.Exit(exit_code(found.result, fail_on))


def exit_code(result: "ScanResult", fail_on: FailOn) -> int:
    """Return the exit code of a scan: evidence first, then what kept it from a verdict, then whether anything ran."""
    from whitesquare.scan.types import NOT_CHECKED, TIERS

    if any(TIERS.index(tier) <= TIERS.index(fail_on) for tier in result.alarm_tiers):
        return FINDINGS
    if result.undecided or any(run.crashed for run in result.runs):
        return UNDECIDED
    return NOTHING if result.verdict == NOT_CHECKED else PASS


def _check(outputs: list[tuple[str, Path | None]], *, model: Path | None, model_free: bool) -> None:
    """Refuse what cannot work, before anything is read."""
    if model_free and model is not None:
        raise UsageError("--model-free uses no model, and --model gives one; leave one of them out.")
    if not model_free:
        require_extra("torch", "train", "`whitesquare scan` without --model-free")
    for kind, path in outputs:
        if kind in _FILES and path is None:
            raise UsageError(f"-o {kind} is not text; write -o {kind}=FILE.")
    check_outputs(outputs)


def _names(asked: str) -> tuple[str, ...]:
    """Read ``--detectors``; names may stand beside ``default``."""
    from whitesquare.detectors.registry import DETECTORS
    from whitesquare.scan.run import DEFAULT

    groups = {"default": DEFAULT, "all": tuple(DETECTORS)}
    wanted = [item.strip() for item in asked.split(",") if item.strip()]
    if not wanted:
        raise UsageError("--detectors names none; write default, all, or names separated by commas.")
    return tuple(dict.fromkeys(name for item in wanted for name in groups.get(item, (item,))))


def _read(
    source: str, attested: "Attested | None", on_error: OnError, on_progress: "Progress"
) -> tuple["ImageDataset", "Reading | None", dict[str, str]]:
    """Return the training split with its images decoded, its hash-on-read if attested, and what was left out."""
    from whitesquare.data import held, open_dataset, readable_part
    from whitesquare.provenance.consumed import Reading
    from whitesquare.provenance.container_files import expect_sizes

    if attested:
        expect_sizes(source, attested.signed)
    dataset = open_dataset(source)
    reading = Reading(dataset, "train", attested.signed) if attested else None
    dataset = reading.dataset if reading else dataset
    found, skipped = readable_part(dataset, on_progress) if on_error == OnError.SKIP else (held(dataset), {})
    return found, reading, skipped


def _check_signing(outputs: list[tuple[str, Path | None]], attested: Path | None, key: str | None) -> None:
    """Refuse to sign for nothing, and to leave unsigned what was to be signed."""
    asked = "attestation" in dict(outputs)
    if asked and (attested is None or key is None):
        raise UsageError(
            "-o attestation states which attested data was scanned, signed by the scanner's key; give --attested, "
            "--trust and --key as well."
        )
    if key is not None and not asked:
        raise UsageError("--key signs the result of the scan, and none is to be written; add -o attestation=FILE.")


def _check_reference(reference: str | None, attested: Path | None, bundle: Path | None) -> None:
    """Refuse to judge attested data by samples that nobody answers for."""
    if bundle is not None and (reference is None or attested is None):
        missing = "--reference" if reference is None else "--attested"
        raise UsageError(
            f"--reference-attested says that the reference of a scan of attested data is attested too, and there is no "
            f"{missing}; add it, or leave --reference-attested out."
        )
    if attested is not None and reference is not None and bundle is None:
        raise UsageError(
            f"The data are attested and the reference {reference!r} is not, so anybody may have made it; found "
            "--attested without --reference-attested, expected both: attest the reference, give --reference-attested "
            "BUNDLE, or leave --reference out."
        )


def _emit(
    found: "Scan", dataset: "ImageDataset", outputs: list[tuple[str, Path | None]], work: "AttestedScan | None"
) -> None:
    import hashlib

    from whitesquare.report.junit import scan_junit
    from whitesquare.report.sarif import scan_sarif
    from whitesquare.report.scan import render_scan
    from whitesquare.scan.files import scan_json, write_scores

    result = found.result
    written = next((str(path) for kind, path in outputs if kind == "json" and path), None)

    def sarif() -> str:
        if work is not None:
            return scan_sarif(result, work.contents(result), work.consumed.root)
        digests = {flag.id: hashlib.sha256(dataset.content(flag.position)).hexdigest() for flag in result.flagged}
        return scan_sarif(result, digests)

    def attestation() -> str | None:
        report = hashlib.sha256(scan_json(result, found.scores).encode()).hexdigest() if written else ""
        return work.statement(result, report) if work else None

    writers: Writers = {
        "table": lambda: terminal.show_scan(result, written),
        "json": lambda: scan_json(result, found.scores),
        "html": lambda: render_scan(found),
        "sarif": sarif,
        "junit": lambda: scan_junit(result),
        "attestation": attestation,
    }
    last = sorted(outputs, key=lambda output: output[0] == "attestation")  # it speaks of a file that must be there
    emit(last, writers, {"parquet": lambda path: write_scores(path, found.scores)})
