"""A headless Chromium over the DevTools pipe, with the standard library only."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
LAUNCH = (
    "import os, sys; r, w = map(int, sys.argv[1:3]); os.dup2(r, 3); os.dup2(w, 4); os.execv(sys.argv[3], sys.argv[3:])"
)


def find() -> str | None:
    """Return the path of the first Chromium there is."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def required() -> str:
    """Return the browser; without one a test fails, unless that is allowed."""
    program = find()
    if program is None:
        if os.environ.get("WHITESQUARE_ALLOW_NO_BROWSER") == "1":
            pytest.skip("no Chromium, and WHITESQUARE_ALLOW_NO_BROWSER=1")
        pytest.fail(f"No browser found ({', '.join(NAMES)}), and WHITESQUARE_ALLOW_NO_BROWSER is not 1.")
    return program


class Page:
    """One tab; events of all domains pile up in ``events``."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._rest, self._last = read, write, b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._receive(PATIENCE)
            if answer.get("id") == self._last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium did not answer in time"
            data = os.read(self._read, 1 << 20)
            assert data, "Chromium closed the connection"
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))

    def wait(self, event: str, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not any(seen.get("method") == event for seen in self.events):
            self.events.append(self._receive(end - time.monotonic()))

    def attach(self) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page", "Audits"):
            self.send(f"{domain}.enable")

    def open(self, path: Path, width: int, *, height: int = 900, dark: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait("Page.loadEventFired")

    def run(self, expression: str) -> Any:
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"]))

    def complaints(self) -> list[str]:
        """Everything a clean page would not say: console messages, log entries, exceptions, CSP issues."""
        loud = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Audits.issueAdded")
        return [json.dumps(event)[:2000] for event in self.events if event.get("method") in loud]

    def requests(self) -> list[str]:
        """Addresses asked for, without the data inside ``data:`` ones."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"][:200] for event in sent]


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own and end it, and only it, whatever happens."""
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    # Above 9, so that putting them at 3 and 4 in the child cannot overwrite one another.
    passed = [fcntl.fcntl(theirs_in, fcntl.F_DUPFD, 10), fcntl.fcntl(theirs_out, fcntl.F_DUPFD, 10)]
    command = [
        sys.executable,
        "-S",
        "-c",
        LAUNCH,
        *map(str, passed),
        program,
        *FLAGS,
        f"--user-data-dir={profile}",
    ]
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            command, pass_fds=passed, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for fd in (theirs_in, theirs_out, *passed):
            os.close(fd)
        page = Page(ours_in, ours_out)
        page.attach()
        yield page
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        os.close(ours_in)
        os.close(ours_out)
