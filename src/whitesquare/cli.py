"""The command line: parse, call one function, print. The only place with exit codes.

0 pass; 1 findings, or a verification or policy failed; 2 could not decide (usage, unreadable input, crash, interrupt);
3 nothing to work on, or evidence missing. Heavy parts are imported by the verb that needs them.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import whitesquare
from whitesquare import terminal
from whitesquare.errors import NothingToDoError, UsageError, WhitesquareError, require_extra, unknown_name
from whitesquare.recipes import Recipe

PASS, FINDINGS, UNDECIDED, NOTHING = 0, 1, 2, 3

app = typer.Typer(
    name="whitesquare",
    help="Show, measure and stop clean-label data poisoning in image-classification training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """How ``poison`` writes a data set."""

    IDX = "idx"
    NPZ = "npz"
    PNG_FOLDER = "png-folder"


OutputFolder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write; must be new, empty or our own.")]
Outputs = Annotated[
    list[str] | None, typer.Option("-o", "--output", help="table, json, or KIND=FILE (json=, html=); repeatable.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
TriggerSpec = Annotated[str, typer.Option(help="For example patch:size=2,corner=br,margin=1; see `whitesquare list`.")]
DEFAULT_TRIGGER = "patch:size=2,corner=br,margin=1"


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn every error into one sentence on stderr and its exit code; a crash is never a pass."""
    code, message = UNDECIDED, ""
    finished = False
    try:
        yield
        finished = True
    except NothingToDoError as error:
        code, message = NOTHING, f"Error: {error}"
    except WhitesquareError as error:
        message = f"Error: {error}"
    except OSError as error:
        message = f"Error: the system refused to read or write: {error}; nothing was left half-written."
    except KeyboardInterrupt:
        message = "Interrupted; nothing was left half-written."
    except typer.Exit:
        finished = True
        raise
    except SystemExit:  # Rich's answer to a closed pipe, with a code that would mean findings
        message = "The output was closed before it was complete."
    finally:
        if not finished:
            terminal.complain(message or f"Error: whitesquare crashed; please report this.\n{traceback.format_exc()}")
            raise typer.Exit(code)


def _print_version(asked: bool) -> None:
    if asked:
        terminal.say(f"whitesquare {whitesquare.__version__}")
        raise typer.Exit(PASS)


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
]


@app.callback()
def _options(version: Version = False) -> None:
    """Show, measure and stop clean-label data poisoning in image-classification training."""


@app.command()
def demo(
    output: OutputFolder,
    seeds: Annotated[int, typer.Option(help="Victims per data set.")] = 3,
) -> None:
    """Plant, measure and show the backdoor on MNIST: four data sets, their victims, one report."""
    with _exit_codes():
        require_extra("torch", "train", "`whitesquare demo`")
        from whitesquare.demo import run_demo
        from whitesquare.folders import check_output

        check_output(output)
        with terminal.progress() as on_progress:
            measurement = run_demo(output, seeds=seeds, on_progress=on_progress)
        terminal.show_measurement(measurement)
        terminal.say("")
        if measurement.cached:
            terminal.say(f"Re-used from the cache: {', '.join(measurement.cached)}.")
        terminal.say(f"{measurement.seconds['total']:.0f} s in all. Open {output / 'report.html'} in a browser.")


@app.command()
def poison(
    source: Annotated[str, typer.Argument(help="'mnist', a folder (IDX, npz, class folders) or an .npz file.")],
    output: OutputFolder,
    attack: Annotated[str, typer.Option(help="Name of the attack; see `whitesquare list`.")],
    target: Annotated[int, typer.Option(help="Target class: a label, 0 and up.")],
    count: Annotated[int | None, typer.Option(help="Number of samples to poison; or give --rate.")] = None,
    rate: Annotated[float | None, typer.Option(help="Share of the whole training set to poison.")] = None,
    seed: Seed = 0,
    trigger: TriggerSpec = DEFAULT_TRIGGER,
    epsilon: Annotated[float | None, typer.Option(help="L-inf budget of the content, in [0, 1).")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="parameter=value of the attack; repeatable.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How the data set is written.")] = Format.IDX,
) -> None:
    """Poison a training set and write it with its ground truth."""
    with _exit_codes():
        from whitesquare.folders import check_output
        from whitesquare.runs import make_run

        check_output(output)
        settings = _settings(setting or [])
        if epsilon is not None:
            settings["epsilon"] = epsilon
        with terminal.progress() as on_progress:
            manifest = make_run(
                source,
                output,
                attack=attack,
                settings=settings,
                trigger=trigger,
                target=target,
                rate=rate,
                count=count,
                seed=seed,
                fmt=format.value,
                on_progress=on_progress,
            )
        terminal.say(
            f"{manifest.count} of the training images are poisoned ({100 * manifest.poison_rate:.1f} % of the set, "
            f"{100 * manifest.target_rate:.1f} % of the class they came from); {manifest.labels_changed} labels "
            f"changed; largest change of the content {manifest.linf:.3f}. Next: whitesquare train {output} --seed 7 "
            f"-o {output / 'victim-7'}"
        )


@app.command()
def train(
    data: Annotated[str, typer.Argument(help="'mnist', a run folder, or any data set `poison` takes.")],
    output: OutputFolder,
    seed: Seed = 0,
    model: Annotated[str, typer.Option(help="Name of the model; see `whitesquare list`.")] = Recipe.model,
    scale: Annotated[float, typer.Option(help="Multiplies the model's channels.")] = Recipe.scale,
    epochs: Annotated[int, typer.Option(help="Passes over the training set.")] = Recipe.epochs,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = Recipe.batch_size,
    optimiser: Annotated[str, typer.Option(help="adam or sgd.")] = Recipe.optimiser,
    learning_rate: Annotated[float, typer.Option(help="Peak of the schedule.")] = Recipe.learning_rate,
    schedule: Annotated[str, typer.Option(help="one-cycle or constant.")] = Recipe.schedule,
    weight_decay: Annotated[float, typer.Option(help="L2 penalty.")] = Recipe.weight_decay,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = Recipe.precision,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train a model on a data set, poisoned or not, and write it as safetensors and JSON."""
    with _exit_codes():
        require_extra("torch", "train", "`whitesquare train`")
        from whitesquare.folders import check_output
        from whitesquare.victims import make_victim

        check_output(output)
        recipe = Recipe(
            model=model,
            scale=scale,
            epochs=epochs,
            batch_size=batch_size,
            optimiser=optimiser,
            learning_rate=learning_rate,
            schedule=schedule,
            weight_decay=weight_decay,
            precision=precision,
        )
        with terminal.progress() as on_progress:
            make_victim(data, output, recipe, seed=seed, device=device, on_progress=on_progress)
        terminal.say(f"Trained {model}, seed {seed}. Next: whitesquare measure {output}")


@app.command()
def measure(
    model: Annotated[Path, typer.Argument(help="Model folder written by `train`.")],
    trigger: Annotated[str | None, typer.Option(help="Trigger in use; default: the run's.")] = None,
    target: Annotated[int | None, typer.Option(help="Target class; default: the run's.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set with the test images; default: the model's own.")] = None,
    output: Outputs = None,
) -> None:
    """Measure a model's clean accuracy and attack success rate on the test images."""
    with _exit_codes():
        require_extra("torch", "train", "`whitesquare measure`")
        from whitesquare.jsonio import encode
        from whitesquare.victims import measure_victim

        outputs = _outputs(output, "table", "json")
        victim = measure_victim(model, trigger=trigger, target=target, data=data)
        _emit(outputs, {"table": lambda: terminal.show_victim(victim), "json": lambda: encode(victim)})


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Run folder with measured victims, or a folder `demo` wrote.")],
    baseline: Annotated[
        Path | None, typer.Option(help="Measured model trained on clean data, to compare with.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the figures as SVG and PNG files.")] = None,
    output: Outputs = None,
) -> None:
    """Show the measured victims of a run: a table, JSON, or one self-contained HTML page."""
    with _exit_codes():
        from whitesquare.jsonio import encode
        from whitesquare.report import render_html, write_figures
        from whitesquare.results import read_results

        outputs = _outputs(output, "table", "json", "html")
        measurement, gallery = read_results(folder, baseline)
        if figures is not None:
            write_figures(measurement, gallery, figures)
        writers: dict[str, Callable[[], str | None]] = {
            "table": lambda: terminal.show_measurement(measurement),
            "json": lambda: encode(measurement),
            "html": lambda: render_html(measurement, gallery),
        }
        _emit(outputs, writers)


@app.command("list")
def list_(output: Outputs = None) -> None:
    """List the attacks, triggers, models and formats, with their parameters."""
    with _exit_codes():
        from whitesquare.catalogue import as_json, catalogue

        outputs = _outputs(output, "table", "json")

        def tables() -> None:
            for kind, entries in catalogue().items():
                columns = ("name", "what it is", "parameters and their defaults")
                terminal.table(f"\n{kind}", columns[: len(entries[0])], entries)

        _emit(outputs, {"table": tables, "json": as_json})


def _settings(items: list[str]) -> dict[str, Any]:
    """Read ``parameter=value`` pairs; a value is a TOML value, or else text."""
    import tomllib

    settings: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set {item!r} is not of the form parameter=value.")
        try:
            settings[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key] = value
    return settings


def _outputs(asked: list[str] | None, *known: str) -> list[tuple[str, Path | None]]:
    """Read ``-o KIND`` and ``-o KIND=FILE``; a table is the default."""
    outputs = []
    for item in asked or ["table"]:
        kind, equals, file = item.partition("=")
        if kind not in known:
            raise unknown_name("output", kind, known)
        if equals and not file:
            raise UsageError(f"-o {item!r} names no file; write -o {kind}=FILE.")
        if equals and kind == "table":
            raise UsageError("-o table goes to the terminal; write -o json=FILE for a file.")
        outputs.append((kind, Path(file) if equals else None))
    return outputs


def _emit(outputs: list[tuple[str, Path | None]], writers: dict[str, Callable[[], str | None]]) -> None:
    from whitesquare.jsonio import write_text

    for kind, path in outputs:
        text = writers[kind]()
        if text is not None and path is not None:
            write_text(path, text)
        elif text is not None:
            terminal.say_json(text)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
