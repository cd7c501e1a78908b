"""Asking for a copy of a loaded process, see ``programs``; a program of its own that loads next to nothing."""

import json
import os
import socket
import sys

_SIZE = 8
"""Bytes in which the length of what follows is written."""


def ask(place: str, files: list[int], command: list[str], env: dict[str, str], cwd: str) -> int:
    """Have a program run with these files as its input, output and errors, and return its exit code."""
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(place)
        asked = json.dumps({"command": command, "env": env, "cwd": cwd}).encode()
        socket.send_fds(connected, [len(asked).to_bytes(_SIZE, "big")], files)
        connected.sendall(asked)
        answer = connected.recv(_SIZE)  # nothing, where it was killed
    return int(answer or b"-9")


def receive(connected: socket.socket) -> tuple[dict, list[int]]:
    """Read what :func:`ask` wrote: what is asked, and the files."""
    size, files, _, _ = socket.recv_fds(connected, _SIZE, 3)
    left, read = int.from_bytes(size, "big"), []
    while left:
        read.append(connected.recv(left))
        left -= len(read[-1])
    return json.loads(b"".join(read)), list(files)


def main(place: str, command: list[str]) -> None:
    """Be the program that a copy is."""
    code = ask(place, [0, 1, 2], [*command, *sys.argv[1:]], dict(os.environ), os.getcwd())  # noqa: PTH109 - loads more
    sys.exit(code % 256)
