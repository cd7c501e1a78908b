"""``whitesquare gate``: whether a model may leave."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare import terminal
from whitesquare.cli.exits import (
    FINDINGS,
    NOTHING,
    PASS,
    Writers,
    check_outputs,
    emit,
    exit_codes,
    read_outputs,
)
from whitesquare.cli.keys import open_key, open_trust
from whitesquare.cli.options import Decisions, PolicyFile, TrustedKeys
from whitesquare.errors import NothingToDoError, UsageError

if TYPE_CHECKING:  # they load cryptography, which `--help` must not wait for
    from collections.abc import Sequence
    from datetime import datetime

    from whitesquare.gate.settings import Policy
    from whitesquare.gate.types import Evidence, Verdict
    from whitesquare.provenance.keys import Signer, TrustedKey
    from whitesquare.provenance.state import StateFile


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
            help="table, json, sarif, junit, markdown, or KIND=FILE; vsa=FILE needs --key; repeatable.",
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
        outputs = read_outputs(output, "table", "json", "sarif", "junit", "markdown", "vsa")
        _check(outputs, key, state)
        from whitesquare.gate.collect import collect
        from whitesquare.gate.memory import memory_file
        from whitesquare.gate.policy import load_policy
        from whitesquare.gate.rules import decide
        from whitesquare.gate.types import PASSED
        from whitesquare.provenance.evidence import VSA
        from whitesquare.provenance.times import utc_now

        asked = load_policy(policy)
        trusted = trusted_keys(trust, asked)
        now = utc_now()
        signer = _open_signer(key, trusted, now) if key else None
        evidence = collect(run, trusted, now)
        verdict = decide(asked, evidence, now)
        if signer is not None:
            places = [path for kind, path in outputs if kind == "vsa" and path is not None]
            _sign(verdict, asked, evidence, signer, places or [run / VSA], memory_file(state), now)
        _emit(verdict, [one for one in outputs if one[0] != "vsa"])
        raise typer.Exit(PASS if verdict.result == PASSED else NOTHING if verdict.only_missing else FINDINGS)


def _open_signer(key: str, trusted: "Sequence[TrustedKey]", now: "datetime") -> "Signer":
    """Open the gate's key: now, and not at the release, a person learns that no verdict by it would count.

    Raises:
        UsageError: it cannot be opened, or is not trusted in the gate's role.
    """
    from whitesquare.gate.settings import GATE
    from whitesquare.provenance.signatures import expect_signer

    signer = open_key(key)
    expect_signer(signer.keyid, trusted, (GATE,), now, "`whitesquare release` would refuse a verdict signed with it")
    return signer


def _sign(
    verdict: "Verdict",
    policy: "Policy",
    evidence: "Evidence",
    signer: "Signer",
    places: "Sequence[Path]",
    state: "StateFile",
    now: "datetime",
) -> None:
    """Remember the verdict and write it, signed; what is about nothing is not signed."""
    from whitesquare.gate.expiry import expiry
    from whitesquare.gate.memory import Decision, record
    from whitesquare.gate.vsa import subject_of, vsa_predicate, write_vsa

    try:
        subject = subject_of(verdict, policy)
    except NothingToDoError as error:
        terminal.complain(f"No verdict was signed: {error}")
        return
    predicate = vsa_predicate(verdict, policy, evidence, expiry(verdict, policy, evidence, signer.keyid, now))
    # Before it is written: a PASSED that nobody wrote does no harm, a FAILED that nobody remembers does.
    if problem := record(state, subject.sha256, Decision(verdict.decided, verdict.result, policy.sha256)):
        terminal.complain(f"The decision is not remembered: {problem}.")
    for path in places:
        write_vsa(path, predicate, subject, signer)


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
    from whitesquare.gate.policy import example
    from whitesquare.jsonio import write_text

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
    check_outputs(outputs)


def _emit(verdict: "Verdict", outputs: list[tuple[str, Path | None]]) -> None:
    from whitesquare.report.gate_junit import gate_junit
    from whitesquare.report.gate_markdown import gate_markdown
    from whitesquare.report.gate_sarif import gate_sarif
    from whitesquare.report.gate_text import gate_json, lines

    writers: Writers = {
        "table": lambda: "\n".join(lines(verdict)) + "\n",
        "json": lambda: gate_json(verdict),
        "sarif": lambda: gate_sarif(verdict),
        "junit": lambda: gate_junit(verdict),
        "markdown": lambda: gate_markdown(verdict),
    }
    emit(outputs, writers)
