"""``whitesquare measure``: what a victim does."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.attested import Bundle, Key, Roles, Threshold, Trust, open_attested, open_signer
from whitesquare.cli.completion import class_names, trigger_names
from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.options import Device, Fit, Layer, MeasureOutputs, PreprocessFile, Size, Weights, check_device
from whitesquare.cli.progress import progress
from whitesquare.cli.trackers import log_runs, open_trackers
from whitesquare.errors import require_extra
from whitesquare.report.common.shown import Shown

if TYPE_CHECKING:  # it loads NumPy, which `--help` must not wait for
    from collections.abc import Sequence

    from whitesquare.learning.tried import Tried
    from whitesquare.records import VictimResult

_ROW = re.compile(r"\[\s+([\d,\s]+?)\s+\]")
"""A list of whole numbers: a row of the confusion matrix, which is read beside the others, so it is one line."""


def measure(
    model: Annotated[
        str,
        typer.Argument(
            help="Model folder written by `train`, .onnx file, timm:NAME, torchvision:NAME, hf:FOLDER, or "
            "package.module:build, which is run."
        ),
    ],
    trigger: Annotated[
        list[str] | None,
        typer.Option(help="Trigger in use; default: the run's; repeatable.", autocompletion=trigger_names),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Target class to show, by name or number; default: the run's, or the worst.",
            autocompletion=class_names,
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set with the test images; default: the model's own.")] = None,
    weights: Weights = None,
    preprocess: PreprocessFile = None,
    layer: Layer = None,
    device: Device = "cpu",
    output: MeasureOutputs = None,
    size: Size = None,
    fit: Fit = None,
    attested: Bundle = None,
    trust: Trust = None,
    threshold: Threshold = 1,
    signatures: Roles = None,
    key: Key = None,
) -> None:
    """Measure a model's clean accuracy and attack success rate on the test images.

    Every class is tried as the target, whichever is shown, and --key signs all of it. The figures under the first
    trigger are kept for the report. With several, JSON is a list, one entry each.
    """
    with exit_codes():
        require_extra("torch", "train", "`whitesquare measure`")
        from whitesquare.jobs.measure import measure as job

        kinds, trackers = open_trackers(output)
        outputs = read_outputs(kinds, "table", "json")
        check_device(device)
        allowed, signer = open_attested(attested, trust, threshold, signatures), open_signer(key)
        with progress() as on_progress:
            found = job(
                model,
                data,
                trigger or (),
                target=target,
                weights=weights,
                preprocess=preprocess,
                layer=layer,
                device=device,
                size=size,
                fit=fit,
                attested=allowed,
                signer=signer,
                on_note=terminal.complain,
                on_progress=on_progress,
            )
        emit(outputs, lambda: _shown(found), {"json": lambda: _json([one.result for one in found])})
        if trackers:
            from whitesquare.report.measurement.tracked import tracked_victim

            log_runs(trackers, (tracked_victim(one.result, str(model)) for one in found))


def _shown(found: "Sequence[Tried]") -> list[Shown]:
    from whitesquare.learning.measure import worst_of
    from whitesquare.report.common.formats import percent
    from whitesquare.report.measurement.shown import class_told, shown_victim

    parts: list[Shown] = []
    for one in found:
        parts += shown_victim(one.result, one.classes)
        worst = worst_of(one.asr)
        most = f"at worst {percent(one.asr[worst].value)} of the other images turn to class"
        told = [f"{most} {class_told(worst, one.classes)}"]
        if known := [(turned.share, source, target) for target, (source, turned) in one.sources.items() if turned.of]:
            share, source, target = max(known)
            of, to = class_told(source, one.classes), class_told(target, one.classes)
            told.append(f"of class {of} alone {percent(share)} turn to class {to}")
        if one.untargeted.of:
            told.append(f"{percent(one.untargeted.share)} of the right answers become wrong ones")
        parts.append(f"Every class was tried as the target: {'; '.join(told)}.")
    return parts


def _json(victims: "Sequence[VictimResult]") -> str:
    from whitesquare._base.schema import encode

    texts = [_ROW.sub(lambda row: f"[{', '.join(row[1].split())}]".replace(",,", ","), encode(one)) for one in victims]
    return texts[0] if len(texts) == 1 else "[\n" + ",\n".join(text.rstrip() for text in texts) + "\n]\n"
