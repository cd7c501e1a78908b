"""Programs as a user starts them, without the seconds in which each loads what others wrote.

One process has loaded PyTorch and its like, and nothing of ours; for every program it makes a copy of itself, which
loads whitesquare anew in an environment and a folder of its own. Where starting, signals, memory or threads are what is
tested, a test uses ``subprocess`` itself.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

LOADED = (
    *("torch", "torch.optim", "torch._dynamo", "safetensors.torch", "scipy.stats", "scipy.ndimage", "scipy.optimize"),
    *("scipy.spatial", "scipy.sparse.linalg", "sklearn.cluster", "sklearn.decomposition", "sklearn.neighbors"),
    *("sklearn.linear_model", "sklearn.metrics", "matplotlib.figure", "duckdb", "PIL.Image", "jinja2", "typer"),
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PATIENCE = 600
"""Seconds after which a program is thought to hang and is ended."""


def python(*arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None):
    """Run ``python -m module ...`` or ``python -c code ...``, and return what it did as ``subprocess.run`` would."""
    command, env = list(map(str, arguments)), dict(os.environ if env is None else env)
    if sys.platform != "linux":  # elsewhere the libraries that are loaded forbid to copy the process
        return subprocess.run(
            [sys.executable, *command], env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        asked = {"command": command, "env": env, "cwd": str(cwd or Path.cwd()), "out": str(out), "err": str(err)}
        server = _server()
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = json.loads(server.stdout.readline())
        return subprocess.CompletedProcess(command, code, *(path.read_text(encoding="utf-8") for path in (out, err)))


@cache
def _server() -> subprocess.Popen[str]:
    """Start the process that is copied; it ends with this one, which closes its input."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD
    return subprocess.Popen(
        [sys.executable, __file__], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _serve() -> None:
    """Answer every request with the exit code of a copy that became the program."""
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # a copy that looks for garbage in what is loaded here has all that memory copied
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            os._exit(_code_of(json.loads(line)))
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])), flush=True)


def _code_of(asked: dict) -> int:
    """Be a program to its end, and return its exit code.

    The end is what an interpreter does at its own, but for taking every module apart: with PyTorch and its like that
    takes over a second of every program, which wrote its last word long before.
    """
    code: object = None
    try:
        _become(**asked)
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def _become(command: list[str], env: dict[str, str], cwd: str, out: str, err: str) -> None:
    """Be what ``python`` with this command would have been; an exception is that program's end."""
    signal.alarm(PATIENCE)
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(name, flags | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    own = [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if one]
    kind, what, *rest = command
    here = [] if env.get("PYTHONSAFEPATH") else ["" if kind == "-c" else cwd]
    sys.path[:] = [*here, *own, *sys.path[1:]]
    sys.argv[:] = [kind if kind == "-c" else what, *rest]
    if kind == "-c":
        exec(compile(what, "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
