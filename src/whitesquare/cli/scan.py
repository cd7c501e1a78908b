"""``whitesquare scan``: find poison in a training set."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.attested import Bundle, Key, ReferenceBundle, Roles, Threshold, Trust, open_attested, open_signer
from whitesquare.cli.baselines import AcceptedBy, KnownFile, NewFile, Why, open_baseline, settled
from whitesquare.cli.completion import detector_lists
from whitesquare.cli.exits import (
    FINDINGS,
    NOTHING,
    PASS,
    UNDECIDED,
    Writers,
    emit,
    exit_codes,
    file_of,
    read_outputs,
)
from whitesquare.cli.made import made_now
from whitesquare.cli.options import (
    DataSource,
    Device,
    Fit,
    Layer,
    OnError,
    PreprocessFile,
    Seed,
    Size,
    Weights,
    check_device,
    same_size,
)
from whitesquare.cli.progress import progress
from whitesquare.cli.sharding import RayAddress, ResumeFolder, Workers, open_way
from whitesquare.cli.trackers import log_runs, open_trackers
from whitesquare.errors import UsageError, require_extra

if TYPE_CHECKING:  # they load NumPy, which `--help` must not wait for
    from whitesquare.jobs.scanned import Scanned
    from whitesquare.records import PoisonManifest
    from whitesquare.report.trackers.mlflow import MlflowExperiment
    from whitesquare.scanning.types import ScanResult

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
            help="table, json, html, sarif, junit, KIND=FILE; parquet=, attestation=FILE; mlflow[=URI]; repeatable.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model trained on DATA: its folder, .safetensors or .onnx file, timm:NAME, torchvision:NAME, "
            "hf:FOLDER, or package.module:build, which is run; default: the scan trains two."
        ),
    ] = None,
    weights: Weights = None,
    preprocess: PreprocessFile = None,
    layer: Layer = None,
    reference: Annotated[str | None, typer.Option(help="Data set of samples known to be clean.")] = None,
    losses: Annotated[
        Path | None, typer.Option(help="Losses by sample that your own training on DATA recorded (Parquet).")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="Numbers that a model of yours makes of each sample: .npy, .npz, CSV or Parquet."),
    ] = None,
    pred_probs: Annotated[
        Path | None,
        typer.Option(help="Probabilities of the classes, by models that had not seen the sample; likewise."),
    ] = None,
    model_free: Annotated[
        bool, typer.Option("--model-free", help="Use no model: fast, no PyTorch, but nothing can be confirmed.")
    ] = False,
    truth: Annotated[Path | None, typer.Option(help="ground-truth.json of DATA: rate the ranking by it.")] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    detectors: Annotated[
        str, typer.Option(help="default, all, or names separated by commas.", autocompletion=detector_lists)
    ] = "default",
    fail_on: Annotated[FailOn, typer.Option(help="Weakest tier that ends with exit code 1.")] = FailOn.SUSPICIOUS,
    require: Annotated[
        str, typer.Option(help="Rules that must have been able to speak of every class, or all; else exit code 3.")
    ] = "",
    on_error: Annotated[
        OnError,
        typer.Option(
            help="What to do about image files that cannot be read; more than 1 % of a class left out is exit code 3."
        ),
    ] = OnError.FAIL,
    size: Size = None,
    fit: Fit = None,
    cache_size: Annotated[
        str | None,
        typer.Option(help="Most that decoded images take in a temporary file, such as 20G; default: half of the disk."),
    ] = None,
    workers: Workers = None,
    ray: RayAddress = None,
    resume: ResumeFolder = None,
    attested: Bundle = None,
    reference_attested: ReferenceBundle = None,
    trust: Trust = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
    key: Key = None,
    baseline: KnownFile = None,
    write_baseline: NewFile = None,
    accepted_by: AcceptedBy = None,
    why: Why = None,
) -> None:
    """Scan a training set for poison: which classes, which samples, on what evidence, and how sure."""
    with exit_codes():
        kinds, trackers = open_trackers(output)
        outputs = read_outputs(kinds, "table", "json", "parquet", "html", "sarif", "junit", "attestation")
        brought = {"--features": features, "--pred-probs": pred_probs}
        _check(outputs, model=model, model_free=model_free, device=device, brought=brought)
        _check_model(model, {"--weights": weights, "--preprocess": preprocess, "--layer": layer})
        _check_signing(outputs, attested, key)
        _check_reference(reference, attested, reference_attested)
        from whitesquare.jobs import scan as job
        from whitesquare.jobs.runs import GROUND_TRUTH, read_truth
        from whitesquare.scanning.coverage import chosen_rules
        from whitesquare.scanning.settings import ScanSettings

        required = chosen_rules(require)
        names = [name.strip() for name in detectors.split(",") if name.strip()]
        settings = ScanSettings(seed=seed, detectors=job.chosen_detectors(names), model_free=model_free, device=device)
        known = read_truth(truth / GROUND_TRUTH if truth.is_dir() else truth) if truth else None
        allowed, signer = open_attested(attested, trust, threshold, signatures), open_signer(key)
        accepted = open_baseline(baseline, write_baseline, accepted_by, why)
        vouched = open_attested(reference_attested, trust, threshold, signatures) if reference_attested else None
        with progress() as on_progress:
            done = job.scan(
                data,
                settings,
                model=model,
                weights=weights,
                preprocess=preprocess,
                layer=layer,
                features=features,
                pred_probs=pred_probs,
                reference=reference,
                losses=losses,
                truth=known,
                skip_unreadable=on_error == OnError.SKIP,
                size=size,
                fit=fit,
                cache_size=cache_size,
                attested=allowed,
                reference_attested=vouched,
                signer=signer,
                way=open_way(workers, ray, resume),
                on_progress=on_progress,
                on_note=terminal.complain,
            )
        done = replace(done, scan=replace(done.scan, result=replace(done.scan.result, made=made_now())))
        done = settled(done, accepted, write_baseline, accepted_by, why)
        _emit(done, outputs, same_size(size, fit), known)
        _track(trackers, done)
        raise typer.Exit(_covered(done.scan.result, exit_code(done.scan.result, fail_on), required))


def _track(trackers: Sequence["MlflowExperiment"], done: "Scanned") -> None:
    if trackers:
        from whitesquare.report.scan.tracked import tracked_scan

        log_runs(trackers, [tracked_scan(done.scan)])


def _covered(result: "ScanResult", code: int, required: Collection[str]) -> int:
    """Return the exit code, or that of nothing looked at, if no alarm is no news of rules that had to speak."""
    from whitesquare.scanning.coverage import lacking

    short = lacking(result.coverage, required) if code == PASS else ()
    if not short:
        return code
    terminal.complain(
        f"Required rules could not have raised an alarm: {', '.join(one.rule_id for one in short)}; found no "
        "alarm without them, so scan more samples, run their detectors, or require less."
    )
    return NOTHING


def exit_code(result: "ScanResult", fail_on: FailOn) -> int:
    """Return the exit code of a scan: evidence first, then what kept it from a verdict, then whether anything ran."""
    from whitesquare.records import TIERS
    from whitesquare.scanning.types import NOT_CHECKED

    if any(TIERS.index(alarm.tier) <= TIERS.index(fail_on) for alarm in result.new_alarms):
        return FINDINGS
    if result.undecided or any(run.crashed for run in result.runs):
        return UNDECIDED
    thinned = any(row.thinned for row in result.classes)  # beside an alarm that is not asked for, too
    return NOTHING if result.verdict == NOT_CHECKED or thinned else PASS


def _check(
    outputs: list[tuple[str, Path | None]],
    *,
    model: str | None,
    model_free: bool,
    device: str,
    brought: dict[str, Path | None],
) -> None:
    """Refuse what cannot work, before anything is read."""
    if model_free and model is not None:
        raise UsageError("--model-free uses no model, and --model gives one; leave one of them out.")
    given = [option for option, path in brought.items() if path is not None]
    if given and model is not None:
        raise UsageError(f"{' and '.join(given)} stand in the place of a model, and --model gives one; leave one out.")
    if not model_free and not given:
        require_extra("torch", "train", "`whitesquare scan` without --model-free")
        check_device(device)
    for kind, path in outputs:
        if kind in _FILES and path is None:
            raise UsageError(f"-o {kind} is not text; write -o {kind}=FILE.")


def _check_model(model: str | None, said: dict[str, object]) -> None:
    """Refuse to say how a model is asked where there is none."""
    given = [option for option, value in said.items() if value is not None]
    if model is None and given:
        raise UsageError(f"{' and '.join(given)} say how a model is asked, and there is none; add --model.")


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
    done: "Scanned", outputs: list[tuple[str, Path | None]], options: str, truth: "PoisonManifest | None"
) -> None:
    from whitesquare.report.common.formats import plain
    from whitesquare.report.scan.junit import scan_junit
    from whitesquare.report.scan.page import render_scan
    from whitesquare.report.scan.text import headline, shown
    from whitesquare.scanning.files import write_scores

    result, scores = done.scan.result, done.scan.scores
    written = file_of("json", outputs)
    writers: Writers = {
        "json": done.json,
        "html": lambda: render_scan(done.scan, written, options),
        "sarif": done.sarif,
        "junit": lambda: scan_junit(result),
        "attestation": lambda: done.statement(with_report=written is not None),
    }
    last = sorted(outputs, key=lambda output: output[0] == "attestation")  # it speaks of a file that must be there
    files = {"parquet": lambda path: write_scores(path, scores)}
    emit(last, lambda: shown(result, written, options, truth.ids if truth else ()), writers, files)
    if written is not None:
        done.write_pictures(Path(written))
    if ("table", None) not in outputs:  # whatever is read from files, the verdict is said
        tell = terminal.say if all(path is not None for _, path in outputs) else terminal.complain
        tell(plain(f"{headline(result)}."))
