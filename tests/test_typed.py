"""What is typed: numbers that are none, outputs that name what is read, terminals of no width, disks that are full."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import whitesquare
from whitesquare._base.formats import other_form
from whitesquare._base.toml_text import parse_toml
from whitesquare.cli import app
from whitesquare.scanning.coverage import chosen_rules

from .provenance.attesting import run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "5%"), "'--rate': found '5%'; expected a number, such as 0.05; a share is written as 0.05."),
        (("--rate", "0,05"), "found '0,05'; expected a number, such as 0.05; write 0.05."),
        (("--rate", "much"), "found 'much'; expected a number, such as 0.05."),
        (("--count", "1.5"), "'--count': found '1.5'; expected a whole number, such as 7."),
        (("--seed", "x"), "'--seed': found 'x'; expected a whole number"),
        (("--rate", "5"), "got 5.0; 5 % are 0.05."),
        (("--rate", "nan"), "got nan."),
        (("--count", "0"), "at least 1; got 0"),
    ],
)
def test_a_number_that_is_none_is_told_with_what_to_write_before_anything_is_read(options, words, tmp_path):
    done = CliRunner().invoke(
        app, ["poison", "nowhere", "--attack", "stamp", "--target", "0", "-o", str(tmp_path / "out"), *options]
    )
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


def test_a_folder_that_reads_as_an_option_is_told_with_how_to_name_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-photos").mkdir()
    told, other = (CliRunner().invoke(app, ["scan", name]).stderr for name in ("-photos", "-others"))
    assert "To name the file or folder '-photos', write ./-photos." in " ".join(told.split())
    assert "To name" not in other


def test_an_output_never_takes_the_place_of_what_the_verb_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scan.json").write_text("{}")
    Path("link.json").symlink_to("scan.json")
    for options in (("-o", "sarif=scan.json"), ("--output=sarif=./scan.json",), ("-o", "table", "-osarif=link.json")):
        said = run("report", "scan.json", *options, code=2).stderr
        assert "names a file that this command reads" in " ".join(said.split())
    said = run("scan", "data", "--truth=scan.json", "-o", "json=scan.json", code=2).stderr
    assert "names a file that this command reads" in " ".join(said.split())
    assert Path("scan.json").read_text() == "{}"
    assert "names a file" not in run("report", "other.json", "-o", "sarif=scan.json", code=2).stderr


def test_a_file_of_another_version_is_told_as_that(tmp_path):
    (tmp_path / "scan.json").write_text(json.dumps({"format": "whitesquare scan 99"}))
    words = "its format is 'whitesquare scan 99'; expected 'whitesquare scan 1', so take the version of whitesquare"
    for verb in (("report", tmp_path / "scan.json"),
                 ("cleanse", tmp_path / "data", "--scan", tmp_path / "scan.json", "-o", tmp_path / "out")):  # fmt: skip
        assert words in " ".join(run(*verb, code=2).stderr.split())
    assert other_form(None, "whitesquare scan 1").startswith("it has no format")
    assert "take the version" not in other_form("CycloneDX", "whitesquare scan 1")
    assert "There is no file or folder" in run("report", tmp_path / "none.json", code=2).stderr


@pytest.mark.parametrize("columns", ["0", "1", "19"])
def test_a_width_that_no_terminal_has_is_not_obeyed(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert "a window of pixels that recurs at one place in one class" in run("explain", "PX01").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("words", ["--version", "scan --help", "list"])
def test_a_full_disk_in_the_place_of_stdout_is_a_sentence_and_no_verdict(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "whitesquare.cli", *words.split()], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_current_directory_that_was_removed_is_told_as_that(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.rmdir({str(gone)!r}); from whitesquare.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "list"], cwd=gone, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(whitesquare.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("Error: the current directory is not there any more")


def test_rules_are_meant_in_small_letters_too():
    assert chosen_rules("px01, MF01") == ("PX01", "MF01")


def test_toml_of_other_editors_is_read_or_refused_in_words():
    assert parse_toml(b"\xef\xbb\xbfseed = 1") == {"seed": 1}
    with pytest.raises(ValueError, match="UTF-16; save it as UTF-8"):
        parse_toml("seed = 1".encode("utf-16"))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml(b"a = " + b"[" * 100_000)
