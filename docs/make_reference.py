"""Write docs/cli.md from the real command line; with --check, fail if it is stale."""

import os
import subprocess
import sys
from pathlib import Path

from whitesquare.cli.examples import GROUPS

VERBS = [name for verbs in GROUPS.values() for name in verbs]
PAGE = Path(__file__).parent / "cli.md"
HEAD = """# Command line

This page is written by `docs/make_reference.py` from `whitesquare --help`.

Exit codes, the same for every verb: **0** pass; **1** findings, or a verification or policy failed; **2** could not
decide (usage, unreadable input, crash, interrupt); **3** nothing to work on, or evidence missing. Results go to stdout,
progress and errors to stderr; there is no colour off a terminal or with `NO_COLOR`.

Ctrl-C, or SIGTERM, ends every verb within two seconds with exit code 2: it stops what runs in threads and processes and
removes what was half-written; a second one ends it at once. Progress is bars on a terminal; in a pipe, a line when a
step begins and ends and, with the time left, after two seconds and then every thirty, at most two lines a second.
"""


def help_of(*verb: str) -> str:
    """Return the help text at 80 columns, without colour."""
    code = "from whitesquare.cli import app; app(prog_name='whitesquare')"
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "WHITESQUARE_NO_CONFIG": "1"}
    command = [sys.executable, "-c", code, *verb, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def page() -> str:
    """Return the whole reference page."""
    parts = [HEAD]
    for verb in ((), *((name,) for name in VERBS)):
        title = " ".join(("whitesquare", *verb))
        parts.append(f"## {title}\n\n```text\n{help_of(*verb)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        if not PAGE.is_file() or PAGE.read_text() != page():
            sys.exit("docs/cli.md is stale; run python docs/make_reference.py")
    else:
        PAGE.write_text(page())
