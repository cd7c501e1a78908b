"""Who may ask: this machine's browser, by the address with the token, and no other page that runs in it."""

import hmac
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
"""The one address that is listened on."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_SAID = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_HEADERS = [(name.encode(), value.encode()) for name, value in _SAID.items()]
_MOST = 1 << 20
"""Bytes of a request's body: runs of rows, and a sentence."""


class Guard:
    """Answers nothing that is not asked by the page itself.

    A page of another site that the same browser shows can send requests here, and under a name that its owner lets
    point to this machine can read the answers: the host, the origin and the token are looked at for that reason.

    Args:
        app: what answers the rest.
        token: first part of every path.
        port: that is listened on.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be asked, its path without the token; answer the rest in a word."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            if refused := self._refused(scope):
                await _refuse(send, *refused)
            else:
                _, _, rest = scope["path"].removeprefix("/").partition("/")
                await self._app({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}, receive, _told(send))

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = _single(scope["headers"])
        if headers is None or headers.get(b"host", b"") not in self._hosts:
            return 421, "This page is asked by the address that was printed, and no other."
        first, slash, _ = scope["path"].removeprefix("/").partition("/")
        # Both sides as bytes: a path may hold any character, and the time taken tells nothing of the token.
        if not hmac.compare_digest(first.encode("utf-8", "surrogatepass"), self._token) or not slash:
            return 404, "Not found."
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return 405, "Only GET and POST."
        if headers.get(b"origin") != b"http://" + headers[b"host"]:
            return 403, "Asked by another page."
        if headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
            return 403, "Asked by another site."
        if headers.get(b"content-type", b"").partition(b";")[0].strip() != b"application/json":
            return 415, "Expected application/json."
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > _MOST:
            return 413, "Expected a shorter request, with its length."
        return None


def _single(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """Return headers by name; ``None`` if one that decides is given twice."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in found and name in (b"host", b"origin", b"content-length", b"content-type"):
            return None
        found[name] = value
    return found


def _told(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *_HEADERS]}
        await send(message)

    return sent


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})
