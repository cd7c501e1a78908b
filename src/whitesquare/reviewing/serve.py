"""The server of the page: on the loopback interface alone, until it is ended."""

import logging
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from threading import Event, Thread

import uvicorn

from whitesquare.errors import UsageError
from whitesquare.reviewing.app import review_app
from whitesquare.reviewing.guard import HOST, Guard
from whitesquare.reviewing.review import ReviewDesk

_TOKEN = 24
"""Random bytes of the token: nobody guesses them."""
_TURN = 0.0005
"""Seconds for which a thread computes before another one's turn. A decision waits for a turn after each thing that it
asks of the disk: ten times five milliseconds, which is the default, while pictures are made."""
_PATIENCE = 1
"""Seconds that answers under way get when it ends."""

_logger = logging.getLogger(__name__)


def serve(review: ReviewDesk, on_ready: Callable[[str], None], *, port: int = 0, browser: bool = True) -> None:
    """Serve the page until it is ended there, or by an interrupt.

    Args:
        review: what is reviewed.
        on_ready: told the address.
        port: to listen on; 0 takes a free one.
        browser: whether to open the address in the browser, where there is one.

    Raises:
        UsageError: the port is in use, or may not be used.
    """
    with _bound(port) as listening:
        chosen = listening.getsockname()[1]
        token = secrets.token_urlsafe(_TOKEN)
        ended = Event()
        app = Guard(review_app(review, lambda: setattr(server, "should_exit", True)), token, chosen)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_PATIENCE,
            timeout_keep_alive=30,
        )
        server = uvicorn.Server(config)
        address = f"http://{HOST}:{chosen}/{token}/"
        watching = review.watch(ended)
        on_ready(address)
        if browser:
            open_browser(address)
        turn = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        try:
            server.run(sockets=[listening])
        finally:
            sys.setswitchinterval(turn)
            ended.set()
            watching.join(_PATIENCE)


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"Port {port} of {HOST} cannot be used: {why}; name another with --port, or leave it out for a free one."
        ) from error
    return listening


def open_browser(address: str) -> bool:
    """Open an address in the browser of the desktop; where there is none, the printed address has to do.

    A browser in the terminal would take it over, so none is asked without a display.
    """
    if sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False

    def opened() -> None:
        try:
            webbrowser.open(address)
        except (webbrowser.Error, OSError) as error:
            _logger.info("No browser could be opened: %s", error)

    Thread(target=opened, daemon=True, name="browser").start()
    return True
