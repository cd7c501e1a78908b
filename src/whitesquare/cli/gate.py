"""``whitesquare gate``: whether a model may leave."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import (
    FINDINGS,
    NOTHING,
    PASS,
    Writers,
    check_page,
    emit,
    exit_codes,
    read_outputs,
)
from whitesquare.cli.keys import open_key, open_trust
from whitesquare.cli.made import made_now
from whitesquare.cli.options import Decisions, PolicyFile, TrustedKeys
from whitesquare.errors import UsageError

if TYPE_CHECKING:  # they load cryptography, which `--help` must not wait for
    from collections.abc import Sequence

    from whitesquare.gating.settings import Policy
    from whitesquare.gating.types import Verdict
    from whitesquare.signing.keys import TrustedKey


def gate(
    run: Annotated[Path | None, typer.Argument(help="Folder of a trained model and its evidence.")] = None,
    policy: PolicyFile = None,
    trust: TrustedKeys = None,
    key: Annotated[str | None, typer.Option(help="The gate's private key, or a URI: sign the verdict.")] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            help="table, json, html, sarif, junit, markdown, or KIND=FILE; vsa=FILE needs --key; repeatable.",
        ),
    ] = None,
    state: Decisions = None,
    init: Annotated[Path | None, typer.Option(help="Write a commented policy to start with, and stop.")] = None,
) -> None:
    """Decide by a policy whether a model may leave: signed data, a scan, the training, what the model does.

    Exit code 1 if a rule failed, 3 if nothing but missing evidence stands in the way, 2 if there is no policy or run.
    """
    with exit_codes():
        if init is not None:
            _write_example(init, run)
            return
        if run is None or policy is None:
            raise UsageError("Give a run folder and --policy FILE; `whitesquare gate --init policy.toml` writes one.")
        outputs = read_outputs(output, "table", "json", "html", "sarif", "junit", "markdown", "vsa")
        _check(outputs, key, state)
        check_page(outputs)
        from whitesquare.gating.policy import load_policy
        from whitesquare.gating.types import PASSED
        from whitesquare.jobs import gate as job

        asked = load_policy(policy)
        trusted, signer = trusted_keys(trust, asked), open_key(key) if key else None
        places = [path for kind, path in outputs if kind == "vsa" and path is not None]
        done = job.gate(run, asked, trusted, signer=signer, places=places, state=state)
        for note in done.notes:
            terminal.complain(note)
        _emit(done.verdict, [one for one in outputs if one[0] != "vsa"])
        raise typer.Exit(PASS if done.verdict.result == PASSED else NOTHING if done.verdict.only_missing else FINDINGS)


def trusted_keys(trust: Path | None, policy: "Policy") -> "Sequence[TrustedKey]":
    """Read the keys that --trust or else the policy names.

    Raises:
        UsageError: neither does, or they cannot be used.
    """
    place = trust or policy.trust
    if place is None:
        raise UsageError(f'{policy.name} names no trusted keys; add [keys] with trust = "keys/", or give --trust.')
    return open_trust(place)


def _write_example(path: Path, run: Path | None) -> None:
    if run is not None:
        raise UsageError("--init writes a policy and looks at no run; leave the run folder out.")
    if path.exists():
        raise UsageError(f"{path} exists, and a policy is never overwritten; choose another name.")
    from whitesquare._base.files import write_text
    from whitesquare.gating.policy import example

    write_text(path, example())
    terminal.say(f"{path} holds a commented policy; put the public keys you trust into keys/ beside it.")


def _check(outputs: list[tuple[str, Path | None]], key: str | None, state: Path | None) -> None:
    if state is not None and key is None:
        raise UsageError("--state remembers decisions that are signed; add --key gate.pem, or leave it out.")
    for kind, path in outputs:
        if kind == "vsa" and path is None:
            raise UsageError("-o vsa is a signed file; write -o vsa=FILE, or only --key for the one in the run folder.")
        if kind == "vsa" and key is None:
            raise UsageError("-o vsa needs a key to sign with; add --key gate.pem.")


def _emit(verdict: "Verdict", outputs: list[tuple[str, Path | None]]) -> None:
    from whitesquare.report.gate.junit import gate_junit
    from whitesquare.report.gate.markdown import gate_markdown
    from whitesquare.report.gate.sarif import gate_sarif
    from whitesquare.report.gate.text import gate_json, shown

    def page() -> str:
        from whitesquare.report.gate.page import render_gate

        return render_gate(verdict, made_now().command)

    writers: Writers = {
        "json": lambda: gate_json(verdict),
        "html": page,
        "sarif": lambda: gate_sarif(verdict),
        "junit": lambda: gate_junit(verdict),
        "markdown": lambda: gate_markdown(verdict),
    }
    emit(outputs, lambda: shown(verdict), writers)
