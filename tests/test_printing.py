"""Whatever the names of files and classes are made of: no terminal is driven, no build server obeys what is printed."""

import ast
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import whitesquare
from whitesquare.cli import app, terminal
from whitesquare.cli.exits import emit
from whitesquare.cli.narrow import PLAINER
from whitesquare.cli.progress import progress
from whitesquare.gating.types import FAILED, RuleResult, Unwaived, Verdict
from whitesquare.provenance.verify import Verification
from whitesquare.report.common.shown import ShownTable
from whitesquare.report.gate import text as gate_text
from whitesquare.report.gate.junit import gate_junit
from whitesquare.report.gate.markdown import gate_markdown
from whitesquare.report.gate.text import gate_json
from whitesquare.report.measurement.shown import shown, shown_victim
from whitesquare.report.scan import text as scan_text
from whitesquare.report.scan.junit import scan_junit
from whitesquare.report.verify import text as verify_text
from whitesquare.report.verify.junit import verification_junit
from whitesquare.scanning.files import scan_json
from whitesquare.signing.keys import generate

from .patience import PATIENCE
from .provenance.signed import make_signed, run
from .report.sample import measurement, mnist_rows, victim
from .report.scan_sample import alarm, class_rows, result, scores

ORDERS = ("::stop-commands::x", "::error::", "::add-mask::a", "##[group]", "##[error]", "##vso[task.complete]",
          "##teamcity[x]", "###[", ":::", "::")  # fmt: skip
SEPARATORS = (
    "\n",
    "\r",
    "\r\n",
    "%0A",
    "%0D",
    "\t",
    " ",
    "\u00a0",
    "\u2028",
    "\u2029",
    "\u3000",
    "\x0b",
    "\x1c",
    "\x85",
)
DIRECTIONS = ("\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\x1b[31m", "\x9b31m", "\x7f")
PARTS = st.sampled_from((*ORDERS, *SEPARATORS, *DIRECTIONS, "a", "cat", "x" * 30, "x" * 79, ":", "#", "["))
NAMES = st.one_of(st.lists(PARTS, min_size=1, max_size=8).map("".join), st.text(max_size=40))
TRICK = "cat \n::stop-commands::x \u202e##[group]\r  ::error::y"


def obeyed(text: str) -> list[str]:
    """The lines that a build server would take for orders, with the rules of the runner's own code."""
    found = re.split("[\r\n]", text)
    return [one for one in found if one.lstrip().startswith("::") or re.search(r"##[A-Za-z]*\[", one)]


def printed(*calls: object) -> str:
    """What the calls print, on stdout and on stderr."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        for call in calls:
            assert callable(call)
            call()
    return out.getvalue() + err.getvalue()


def is_harmless(text: str) -> bool:
    assert obeyed(text) == []
    assert [one for one in text if not one.isprintable() and one != "\n"] == []
    return True


def verification(name: str) -> Verification:
    return Verification(name, False, f"{name} is not signed", True, refused={name: name}, warnings=(name, name))


def verdict(name: str) -> Verdict:
    rule = RuleResult("scan-alarms", "title", FAILED, name, name, name, name, (Unwaived(name, "ab" * 32, True),))
    return Verdict(FAILED, (rule,), "", "", "", name, "", notes=(name,))


@settings(max_examples=60, deadline=None)
@example(TRICK)
@given(NAMES)
def test_no_table_of_verify_and_gate_is_obeyed(name: str) -> None:
    found, judged = verification(name), verdict(name)
    again = verify_text.command(name, name, name)
    for table in (lambda: verify_text.shown(found, again), lambda: gate_text.shown(judged)):
        assert is_harmless(printed(lambda table=table: emit([("table", None)], table, {})))
    assert is_harmless(printed(lambda: emit([("markdown", None)], list, {"markdown": lambda: gate_markdown(judged)})))


@settings(max_examples=40, deadline=None)
@example(TRICK)
@given(NAMES)
def test_no_table_of_scan_and_measure_is_obeyed(name: str) -> None:
    names = (name, *"123456789")
    flagged = result(
        source=name, alarms=(alarm(0, name),), classes=class_rows(names), reasons=(name,), warnings=(name,),
        skipped={name: name}, calibration_note=name,
    )  # fmt: skip
    seen = replace(victim(names, 1, 7, 0.9, 0.8, 0.0), model=name, trigger=name)
    rows = tuple(replace(row, name=name, visibility=0.0) for row in mnist_rows())
    whole = replace(measurement(rows), classes=names, source=name, model=name)
    for parts in (scan_text.shown(flagged), scan_text.shown(flagged, name), shown_victim(seen), shown(whole)):
        assert is_harmless(printed(lambda parts=parts: terminal.show(parts)))


@settings(max_examples=50, deadline=None)
@example(TRICK)
@given(NAMES)
def test_nothing_else_that_prints_is_obeyed(name: str) -> None:
    assert is_harmless(printed(lambda: terminal.say(name), lambda: terminal.say_lines(f"{name}\n")))
    said = printed(lambda: terminal.complain(name), lambda: terminal.show([ShownTable(name, (name,), [(name,)])]))
    assert is_harmless(said)

    def steps() -> None:
        with progress() as told:
            told(name, 0, 2)
            told(name, 2, 2)

    assert is_harmless(printed(steps))


@settings(max_examples=60, deadline=None)
@example(TRICK)
@given(NAMES)
def test_json_and_xml_are_not_obeyed_and_read_as_they_are_in_a_file(name: str) -> None:
    flagged = result(source=name, alarms=(alarm(0, name),), reasons=(name,), warnings=(name,))
    judged = verdict(name)
    for kind, text in (("json", gate_json(judged)), ("json", scan_json(replace(flagged, flagged=()), scores()))):
        seen = printed(lambda kind=kind, text=text: emit([(kind, None)], list, {kind: lambda: text}))
        assert is_harmless(seen)
        assert json.loads(seen) == json.loads(text)
    for text in (scan_junit(flagged), verification_junit(verification(name)), gate_junit(judged)):
        seen = printed(lambda text=text: emit([("junit", None)], list, {"junit": lambda: text}))
        assert obeyed(seen) == []
        assert all(one.isprintable() or one in "\t\n" for one in seen)
        assert [(one.tag, one.attrib, (one.text or "").replace("\r", "\n")) for one in Xml.fromstring(seen).iter()] == [
            (one.tag, one.attrib, one.text or "") for one in Xml.fromstring(text.replace("\r", "\n")).iter()
        ]


@pytest.mark.parametrize("wide", ["20", "80"])
def test_a_line_that_is_broken_to_fit_does_not_become_an_order(wide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", wide)
    for length in range(70, 90):
        assert is_harmless(printed(lambda length=length: terminal.say("x" * length + " ::error::y")))
        assert is_harmless(
            printed(lambda length=length: terminal.show([ShownTable("t", ("a", "b"), [("a", ":" * length)])]))
        )


def test_verify_of_files_with_such_names(tmp_path: Path) -> None:
    signed = make_signed(tmp_path, 4)
    for name in ("::stop-commands::x", "##[group]y", "a\n::error::b", "c\u202egnp.d", "\u00a0::warning::x"):
        (signed.data / name).write_bytes(b"nobody signed this")
    done = signed.verify(code=1)
    assert is_harmless(done.stdout)
    assert "stop-commands" in done.stdout
    assert obeyed(done.stderr) == []
    for kind in ("json", "sarif", "junit"):
        assert obeyed(signed.verify("-o", kind, code=1).stdout) == []


def test_a_sentence_on_stderr_names_no_order(tmp_path: Path) -> None:
    generate(tmp_path / "keys" / "alice", "ed25519", None)
    for place in ("::stop-commands::x", "##[group]x", "a\n::error::x"):
        done = run("verify", tmp_path / place, "--bundle", tmp_path / place, "--trust", tmp_path / place)
        assert done.exit_code in (2, 3)
        assert is_harmless(done.stderr)


def test_only_one_module_prints() -> None:
    root = Path(whitesquare.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                ours = path.name == "terminal.py" or (called == "sys.stdout.buffer.write" and path.name == "hashing.py")
                prints = called in ("print", "Console", "typer.echo", "typer.secho", "click.echo") or re.fullmatch(
                    r"sys\.(stdout|stderr).*\.write", called
                )
                assert ours or not prints, f"{path.name} prints by itself, line {node.lineno}"


def test_help_and_version_still_print() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"whitesquare {whitesquare.__version__}\n"


def test_a_name_with_line_breaks_stays_in_its_row() -> None:
    seen = replace(victim(("a\nVERIFIED: all of it", "b"), 1, 7, 0.9, 0.8, 1.0), model="cnn\nVERIFIED: all of it")
    whole = replace(measurement(), source="x\nVERIFIED: all of it")
    text = printed(lambda: terminal.show([*shown_victim(seen), *shown(whole)]))
    assert not [line for line in text.splitlines() if line.startswith("VERIFIED")]


LACKED = "\u201cK\u00e4se\u201d \u65e5\u672c \U0001f431 3 \u00d7 3 \u2013 \u2026"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_json_and_xml_say_the_same_to_a_stdout_that_lacks_signs(encoding, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.say_json(json.dumps({LACKED: LACKED}, ensure_ascii=False))
    terminal.say_json("\n")
    terminal.say_xml(f"<a b='{LACKED}'>{LACKED}</a>")
    out.flush()
    as_json, as_xml = out.buffer.getvalue().decode(encoding).split("\n")
    assert json.loads(as_json) == {LACKED: LACKED}
    assert Xml.fromstring(as_xml).text == Xml.fromstring(as_xml).get("b") == LACKED


def test_a_sentence_is_said_plainly_where_stdout_lacks_signs(tmp_path):
    classes = np.array(["K\u00e4se", "\u65e5\u672c"])
    np.savez(tmp_path / "data.npz", images=np.zeros((4, 2, 2), np.uint8), labels=[0, 0, 1, 1], classes=classes)
    command = [sys.executable, "-m", "whitesquare.cli", "list", "data.npz"]
    own = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=own, cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert b"K\\xe4se" in done.stdout
    assert b"\\u65e5\\u672c" in done.stdout
    with io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=PLAINER) as out:
        out.write(LACKED)
        out.flush()
        assert out.buffer.getvalue() == b'"K\\xe4se" \\u65e5\\u672c \\U0001f431 3 x 3 - ...'
