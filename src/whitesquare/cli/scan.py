"""``whitesquare scan``: find poison in a training set."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare import terminal
from whitesquare.cli.attested import Bundle, Key, Roles, Threshold, Trust, open_attested, open_signer
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
        from whitesquare.data import open_dataset
        from whitesquare.provenance.consumed import Reading
        from whitesquare.provenance.container_files import expect_sizes
        from whitesquare.runs import GROUND_TRUTH, read_truth
        from whitesquare.scan.run import ScanSettings, run_scan
        from whitesquare.scan.signed import AttestedScan

        settings = ScanSettings(seed=seed, detectors=_names(detectors), model_free=model_free)
        known = read_truth(truth / GROUND_TRUTH if truth.is_dir() else truth) if truth else None
        allowed, signer = open_attested(attested, trust, threshold, signatures), open_signer(key)
        with terminal.progress() as on_progress:
            if allowed:
                expect_sizes(data, allowed.signed)
            dataset = open_dataset(data)
            reading = Reading(dataset, "train", allowed.signed) if allowed else None
            dataset, skipped = _readable(reading.dataset if reading else dataset, on_error, on_progress)
            work = None
            if allowed and reading:
                work = AttestedScan(reading, reading.consumed(dataset.ids), allowed.signed.sha256, signer)
            trusted = None
            if reference is not None:
                trusted, left_out = _readable(open_dataset(reference), on_error, on_progress)
                skipped |= {f"reference/{name}": reason for name, reason in left_out.items()}
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
    """Return the exit code of a scan: evidence first, then crashes, then whether anything was looked at."""
    from whitesquare.scan.types import NOT_CHECKED, TIERS

    if any(TIERS.index(tier) <= TIERS.index(fail_on) for tier in result.alarm_tiers):
        return FINDINGS
    if any(run.crashed for run in result.runs):
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


def _readable(
    dataset: "ImageDataset", on_error: OnError, on_progress: "Progress"
) -> tuple["ImageDataset", dict[str, str]]:
    """Return the data set with its images decoded, and what was left out."""
    from whitesquare.data import held, readable_part

    return readable_part(dataset, on_progress) if on_error == OnError.SKIP else (held(dataset), {})


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
            return scan_sarif(result, work.contents(result))
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
