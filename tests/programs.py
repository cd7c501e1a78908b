"""Programs as a user starts them, without the seconds in which each loads what others wrote.

One process has loaded PyTorch and its like, and nothing of ours; for every program it makes a copy of itself, which
loads whitesquare anew in an environment and a folder of its own. Where starting, signals, memory or threads are what is
tested, a test uses ``subprocess`` itself.

Who wants such a copy connects to a socket and sends the files that the program reads and writes, its command, its
environment and its folder; the answer is its exit code.
"""

import atexit
import gc
import importlib
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

if __name__ == "__main__":
    from asking import ask, receive
else:
    from tests.asking import ask, receive

LOADED = (
    *("torch", "torch.optim", "torch._dynamo", "safetensors.torch", "scipy.stats", "scipy.ndimage", "scipy.optimize"),
    *("scipy.spatial", "scipy.sparse.linalg", "sklearn.cluster", "sklearn.decomposition", "sklearn.neighbors"),
    *("sklearn.linear_model", "sklearn.metrics", "matplotlib.figure", "duckdb", "PIL.Image", "jinja2", "typer"),
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PATIENCE = 600
"""Seconds after which a program is thought to hang and is ended."""
COPIES = sys.platform == "linux"
"""Elsewhere the libraries that are loaded forbid to copy the process."""
_EXIT = os._exit
_SERVERS: list[subprocess.Popen[str]] = []


def python(*arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None):
    """Run ``python -m module ...`` or ``python -c code ...``, and return what it did as ``subprocess.run`` would."""
    command, env = list(map(str, arguments)), dict(os.environ if env is None else env)
    if not COPIES:
        return subprocess.run(
            [sys.executable, *command], env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with Path(os.devnull).open() as nothing, out.open("wb") as said, err.open("wb") as told:
            files = [nothing.fileno(), said.fileno(), told.fileno()]
            code = ask(_server(), files, command, env, str(cwd or Path.cwd()))
        return subprocess.CompletedProcess(command, code, *(path.read_text(encoding="utf-8") for path in (out, err)))


def write_program(path: Path, *command: str) -> None:
    """Write a program that runs Python with this command and what it is given, for a shell: a copy, where it can be."""
    if COPIES:
        code = f"import sys\nsys.path[:0] = [{str(Path(__file__).parent)!r}]\nimport asking\n"
        path.write_text(f"#!{sys.executable} -SI\n{code}asking.main({_server()!r}, {list(command)!r})\n")
    else:
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {" ".join(command)} "$@"\n')
    path.chmod(0o755)


@cache
def _server() -> str:
    """Start the process that is copied, and return its socket; it ends with this one, which closes its input."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD
    place = str(Path(tempfile.mkdtemp(prefix="whitesquare-programs-")) / "socket")
    process = subprocess.Popen(
        [sys.executable, __file__, place], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    _SERVERS.append(process)  # which is not to be collected: its input would be closed
    return place


def _serve(place: str) -> None:
    """Make a copy for everyone who connects, until nobody is left who could."""
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # a copy that looks for garbage in what is loaded here has all that memory copied
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a copy tells its exit code itself
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connected, _ = listening.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                _EXIT(_answer(connected))
            connected.close()
    shutil.rmtree(Path(place).parent)


def _answer(connected: socket.socket) -> int:
    """Be the program that is asked for, and tell its exit code."""
    asked, files = receive(connected)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    code = _code_of(asked)
    connected.sendall(str(code).encode())
    return code


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
    except BaseException:  # noqa: BLE001 - whatever it is, it is the program's end
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


def _left(code: int) -> None:
    """Stand for the end of a process that is a copy: whoever asked waits for the code."""
    raise SystemExit(code)


def _become(command: list[str], env: dict[str, str], cwd: str) -> None:
    """Be what ``python`` with this command would have been; an exception is that program's end."""
    signal.alarm(PATIENCE)
    os._exit = _left
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    own = [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if one]
    kind, what, *rest = command if command != ["-"] else ("-", sys.stdin.read())
    here = [] if env.get("PYTHONSAFEPATH") else [cwd if kind == "-m" else ""]
    sys.path[:] = [*here, *own, *sys.path[1:]]
    sys.argv[:] = [what if kind == "-m" else kind, *rest]
    if kind != "-m":
        exec(compile(what, "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
