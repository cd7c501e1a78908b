"""What a shell shows: help in groups with examples, completion, `--quiet`, and what a mistyped output was meant for."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from tests.patience import PATIENCE
from whitesquare.cli import app, exits
from whitesquare.cli.examples import EXAMPLES, FIRST, GROUPS
from whitesquare.errors import UsageError

VERBS = [name for verbs in GROUPS.values() for name in verbs]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Class folders whose names say what they hold, in colour."""
    rng = np.random.default_rng(0)
    for split, many in (("train", 12), ("test", 4)):
        for name in ("bird", "cat", "dog"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for i in range(many):
                Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "photos"


def run(*arguments: object, code: int | None = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="whitesquare")
    assert code is None or done.exit_code == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def complete(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    env = os.environ | {
        "_WHITESQUARE_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(("whitesquare", *words)),
        "COMP_CWORD": str(len(words)),
    }
    command = [sys.executable, "-m", "whitesquare.cli"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE, check=False)
    assert done.stderr == ""
    return done.stdout.split()


def help_at(width: int, *verb: str) -> list[str]:
    """Help in a terminal of that width, without the examples, which are never broken."""
    command = [sys.executable, "-m", "whitesquare.cli", *verb, "-h"]
    env = os.environ | {"COLUMNS": str(width)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE, check=True)
    return done.stdout.split("Examples:")[0].splitlines()


@pytest.mark.parametrize("width", [80, 132])
def test_the_help_has_every_verb_in_its_group_and_fits_the_terminal(width: int) -> None:
    lines = help_at(width)
    assert max(map(len, lines)) <= width
    assert not [line for line in lines[1:] if "..." in line]
    places = [lines.index(f"{heading}:") for heading in GROUPS]
    assert places == sorted(places)
    for verb, said in ((name, text) for verbs in GROUPS.values() for name, text in verbs.items()):
        assert any(line.split() == [verb, *said.split()] for line in lines), verb


def test_help_is_as_wide_as_the_terminal() -> None:
    narrow, wide = help_at(80, "scan"), help_at(200, "scan")
    assert max(map(len, narrow)) <= 80 < max(map(len, wide)) <= 200
    assert len(wide) < len(narrow) / 1.3  # no option needs a second line


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_ends_with_examples_that_parse(verb: str) -> None:
    text, _ = run(verb, "-h")
    told = text.split("Examples:\n")[1].splitlines()
    assert [line.strip() for line in told] == list(EXAMPLES[verb])
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    for line in EXAMPLES[verb]:
        program, name, *rest = shlex.split(line)
        assert (program, name) == ("whitesquare", verb)
        command.make_context(name, [*rest, "--no-config"])


def test_the_first_examples_name_verbs() -> None:
    assert all(shlex.split(line)[1] in VERBS for line in FIRST)


def test_a_verb_imports_no_other() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from whitesquare.cli import app\n"
        "assert CliRunner().invoke(app, ['verify', '-h']).exit_code == 0\n"
        "assert 'whitesquare.cli.verify' in sys.modules\n"
        "assert not {'whitesquare.cli.scan', 'whitesquare.cli.train', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.long
def test_a_shell_completes_verbs_options_and_names(photographs: Path) -> None:
    assert complete("sc") == ["scan"]
    assert "--model-free" in complete("scan", "x", "--mo")
    assert complete("poison", "x", "--attack", "label-f") == ["label-flip"]
    assert complete("drill", "x", "--attacks", "stamp,label-f") == ["stamp,label-flip"]
    assert complete("scan", "x", "--detectors", "patch-contrast,matched") == ["patch-contrast,matched-filter"]
    assert "patch" in complete("poison", "x", "--trigger", "pa")
    assert complete("poison", str(photographs), "--target", "c") == ["cat"]
    assert complete("poison", "no-such-data", "--target", "c") == []


def test_quiet_leaves_the_answer_and_the_errors(photographs: Path, tmp_path: Path) -> None:
    asked = ("poison", photographs, "--attack", "stamp", "--target", "cat", "--count", 3)
    out, err = run(*asked, "-o", tmp_path / "loud")
    assert "Next: whitesquare train" in out
    assert "reading images" in err
    out, err = run(*asked, "-q", "-o", tmp_path / "quiet")
    assert "3 of the training images are poisoned" in out
    assert "Next" not in out
    assert err == ""
    _, err = run(*asked, "--quiet", "--rate", 0.1, "-o", tmp_path / "wrong", code=2)
    assert err.startswith("Error: ")
    assert "Next" in run(*asked, "-o", tmp_path / "loud")[0]  # and the next command is not quiet


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ("report.html", "html"),
        ("a/b/x.json", "json"),
        ("found.sarif", "sarif"),
        ("found.sarif.json", "sarif"),
        ("junit.xml", "junit"),
        ("scores.parquet", "parquet"),
    ],
)
def test_a_file_without_its_kind_is_answered_with_the_kind(file: str, meant: str) -> None:
    with pytest.raises(UsageError) as refused:
        exits.read_outputs([file], "table", "json", "html", "sarif", "junit", "parquet")
    assert f"did you mean -o {meant}={file}?" in str(refused.value)


def test_what_no_verb_writes_is_named_with_what_it_writes() -> None:
    for item in ("scan.pdf", "htlm=scan.html", "report.html"):
        with pytest.raises(UsageError, match="known: json, table"):
            exits.read_outputs([item], "table", "json")


def test_a_folder_is_made_and_said_but_not_below_the_root(
    tmp_path: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exits.read_outputs([f"json={tmp_path}/new/er/x.json"], "table", "json")
    assert "new/er does not exist; it is made" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(UsageError, match=r"nothing of the folder /nope-\w+ exists"):
        exits.read_outputs(["json=/nope-whitesquare/x.json"], "table", "json")
    assert not Path("/nope-whitesquare").exists()


def test_a_scan_says_its_verdict_wherever_it_is_written(photographs: Path, tmp_path: Path) -> None:
    asked = ("scan", photographs, "--model-free", "--detectors", "pixel-contrast")
    out, _ = run(*asked, "-o", f"html={tmp_path / 'a.html'}", code=None)
    assert out.split()[0] in ("Nothing", "Class")
    out, err = run(*asked, "-o", "json", code=None)
    assert out.startswith("{")
    assert err.splitlines()[-1].split()[0] in ("Nothing", "Class")
    assert "\\x" not in err


@pytest.mark.parametrize("interrupted", [True, False])
def test_what_a_library_makes_of_an_interrupt_is_no_crash(
    interrupted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = Event()
    monkeypatch.setattr(exits, "HEARD", heard)
    if interrupted:
        heard.set()
    with pytest.raises(typer.Exit) as ended, exits.exit_codes():
        raise TypeError("expected str, bytes or os.PathLike object")
    assert ended.value.exit_code == exits.UNDECIDED
    said = capsys.readouterr().err
    assert (exits.INTERRUPTED in said) == interrupted
    assert ("Traceback" in said) != interrupted


def test_a_crash_is_told_line_by_line_and_no_error_names_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exits.exit_codes():
        raise RuntimeError("a\nb ::error::c")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Error: whitesquare crashed; please report this."
    assert lines[1] == "Traceback (most recent call last):"
    assert not [line for line in lines if line.startswith("::")]
    with pytest.raises(typer.Exit), exits.exit_codes():
        raise OSError(28, "No space left on device", f"/tmp/.run.{'a1' * 16}.part/train")
    assert "/tmp/run/train" in capsys.readouterr().err
