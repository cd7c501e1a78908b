"""A result says when it was made and by which command, and keeps what is secret in one to itself."""

import json
from datetime import UTC, datetime

import pytest

from tests.conftest import part_of_mnist
from tests.provenance.attesting import run
from whitesquare.cli.made import made_now, remember
from whitesquare.data import write_dataset


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["scan", "my photos/", "-o", "json=scan.json"], "whitesquare scan 'my photos/' -o json=scan.json"),
        (["gate", "run", "--key", "pkcs11:object=a?pin-value=1234"], "'pkcs11:object=a?pin-value=...'"),
        (["scan", "d", "-o", "mlflow=https://ann:geheim@host/1"], "mlflow=https://...host/1"),
    ],
)
def test_a_command_is_told_without_its_secrets(typed, said):
    remember(typed)
    assert said in made_now().command
    assert "1234" not in made_now().command
    assert "geheim" not in made_now().command


def test_a_scan_and_its_page_say_when_and_how_they_were_made(tmp_path):
    write_dataset(tmp_path / "data", part_of_mnist("train", 300), None, "npz")
    files = {kind: tmp_path / f"found.{kind}" for kind in ("json", "html")}
    before = datetime.now(UTC)
    outputs = [word for kind, path in files.items() for word in ("-o", f"{kind}={path}")]
    run("scan", tmp_path / "data", "--model-free", "--detectors", "pixel-contrast", *outputs)
    made = json.loads(files["json"].read_text())["made"]
    assert before <= datetime.fromisoformat(made["at"]) <= datetime.now(UTC)
    assert made["command"].startswith(f"whitesquare scan {tmp_path / 'data'} --model-free")
    page = files["html"].read_text()
    assert made["at"][:16].replace("T", " ") in page
    assert made["command"] in page
    run("report", files["json"], "-o", f"html={tmp_path / 'again.html'}")
    again = (tmp_path / "again.html").read_text()
    assert made["command"] in again, "a page made later tells of the scan"
    assert f"--scan {files['json']}" in again or "cleanse" not in again
