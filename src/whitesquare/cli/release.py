"""``whitesquare release``: let a model go, behind a signed verdict."""

from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.cli.exits import exit_codes
from whitesquare.cli.gate import trusted_keys
from whitesquare.cli.options import Decisions, PolicyFile, TrustedKeys
from whitesquare.errors import UsageError


def release(
    run: Annotated[Path, typer.Argument(help="Folder of a model that `whitesquare gate --key` has looked at.")],
    to: Annotated[Path, typer.Option(help="Folder to write; must be new, empty, or an earlier release.")],
    policy: PolicyFile = None,
    trust: TrustedKeys = None,
    state: Decisions = None,
) -> None:
    """Copy a model and its evidence into a release folder, only behind a signed PASSED verdict that still holds."""
    with exit_codes():
        if policy is None:
            raise UsageError("Give --policy FILE: the policy that the model must have passed.")
        from whitesquare.gating import release as gate_release
        from whitesquare.gating.memory import memory_file
        from whitesquare.gating.policy import load_policy
        from whitesquare.signing.times import utc_now

        asked = load_policy(policy)
        place = memory_file(state)
        done = gate_release.release(run, to, asked, trusted_keys(trust, asked), utc_now(), place)
        if done.unremembered:
            terminal.complain(f"The release is not remembered: {done.unremembered}.")
        terminal.say(f"Released {len(done.files)} files to {to}: {', '.join(done.files)}")
