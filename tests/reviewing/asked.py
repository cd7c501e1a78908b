"""A request to the page's server without a network: the application is called as uvicorn calls it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

TOKEN, PORT = "secret-token", 8123
HOST = f"127.0.0.1:{PORT}"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def asked(app, path, *, method="GET", query="", headers=(), body=b"", token=TOKEN) -> Answer:
    """Ask; ``headers`` replace those that a page sends itself, by name; ``None`` leaves one out."""
    given = {"host": HOST}
    if method == "POST":
        given |= {"origin": f"http://{HOST}", "content-type": "application/json", "content-length": str(len(body))}
    given |= dict(headers)
    sent = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
    return raw(app, f"/{token}{path}", method, query, sent, body)


def raw(app, path, method, query, headers, body=b"") -> Answer:
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 5),
    }
    said: list[dict[str, Any]] = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        said.append(message)

    asyncio.run(app(scope, receive, send))
    start = said[0]
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(one.get("body", b"") for one in said[1:]))


def post(app, path, content) -> Answer:
    return asked(app, path, method="POST", body=json.dumps(content).encode())
