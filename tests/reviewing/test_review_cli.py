"""``whitesquare review SCAN`` at the terminal: what it refuses, and in what words."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.reviewing import serve
from whitesquare.reviewing.review import open_review

from .made import Made, made


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Made:
    return made(tmp_path_factory.mktemp("found"))


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["review", *map(str, arguments)])
    assert done.exit_code == 2, done.output
    return " ".join(done.stderr.split())


def test_a_port_in_use_is_told(found, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        told = refused(found.scan, "--by", "ann", "--port", port, "--decisions", tmp_path / "d.jsonl")
    assert f"Port {port} of 127.0.0.1 cannot be used: Address already in use; name another with --port" in told


def test_what_cannot_be_reviewed_is_told(found, tmp_path):
    assert "cannot be read as a scan" in refused(tmp_path / "nothing.json", "--by", "ann")
    other = made(tmp_path)
    open_review(other.scan, None, "bob")
    told = refused(found.scan, "--by", "ann", "--decisions", other.decisions)
    assert "holds decisions about the scan" in told
    told = refused(found.scan, "--by", "ann", "--decisions", Path("/proc/decisions.jsonl"))
    assert "/proc/decisions.jsonl cannot be made" in told


def test_without_a_display_no_browser_is_opened(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(serve.sys, "platform", "linux")
    monkeypatch.setattr(serve.webbrowser, "open", lambda _: pytest.fail("a browser in the terminal would take it over"))
    assert not serve.open_browser("http://127.0.0.1:1/")
