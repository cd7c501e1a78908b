"""Run Python in a process of its own, and tell how much memory and time it took at most."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import whitesquare

PEAK = "int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) // 1024"
"""An expression for the largest resident size, in MiB, of a process since its program began.

What ``getrusage`` tells counts the process that started it, too, until the program was loaded.
"""

_TELL = """
import sys
sys.stdout.flush()
with open({report!r}, "w") as file:
    file.write(str({peak}))
"""


@dataclass(frozen=True)
class Ran:
    """What a process did: its output, exit code, largest resident size in MiB, and seconds."""

    output: str
    code: int
    memory: float
    seconds: float


def measured(folder: Path, *arguments: object, limit: int | None = None) -> Ran:
    """Run the command line with these arguments, and at most ``limit`` bytes of address space; writes to ``folder``."""
    report = folder / "rss.txt"
    code = (
        "import atexit, json, sys\n"
        f"atexit.register(lambda: exec({_TELL.format(report=str(report), peak=PEAK)!r}))\n"
        f"limit = {limit!r}\n"
        "if limit: import resource; resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "from whitesquare.cli import app\n"
        f"app(json.loads({json.dumps([str(one) for one in arguments])!r}))\n"
    )
    place = os.environ | {"PYTHONPATH": str(Path(whitesquare.__file__).parents[1])}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=place, check=False)
    seconds = time.perf_counter() - started
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    return Ran(output, done.returncode, int(report.read_text()), seconds)
