"""The verb as a person or a pipeline types it: files, exit codes, and sentences that say what to do."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.core_install import run_core
from tests.gate.world import NOW, keyring
from whitesquare._base.schema import decode
from whitesquare.auditing.types import Dossier
from whitesquare.cli import app
from whitesquare.provenance.evidence import DOSSIER, DOSSIER_PAGE, DOSSIER_SIGNED
from whitesquare.records import CARD
from whitesquare.signing import times

from .made import full_run


@pytest.fixture(autouse=True)
def _the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "_clock", lambda zone: NOW)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def call(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["dossier", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def keys() -> Path:
    return keyring() / "trusted"


def test_a_dossier_is_written_signed_and_verified(run: Path) -> None:
    done = call(run, "--trust", keys(), "--key", keyring() / "bob.pem")
    assert "60 scans of clean resamples" in " ".join(done.stdout.split())
    assert (run / DOSSIER_PAGE).read_text().rstrip().endswith("</html>")
    said = decode(Dossier, (run / DOSSIER).read_text(), where="x")
    assert said.not_shown == ()
    told = call("--verify", run / DOSSIER, "--trust", keys(), "--run", run)
    assert told.stdout.startswith("VERIFIED")
    assert "signed by bob (review)" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80


def test_what_is_not_shown_is_printed_with_the_command_that_would_show_it(run: Path) -> None:
    shutil.rmtree(run / "drill")
    done = call(run, "--trust", keys())
    assert "whitesquare drill DATA --clean 60 --key KEY -o RUN/drill" in done.stdout
    assert "Not shown: how often a scan of these data cries wolf." in done.stdout
    page = (run / DOSSIER_PAGE).read_text()
    assert "<code>whitesquare drill DATA --clean 60 --key KEY -o RUN/drill</code>" in page


def test_it_can_be_written_elsewhere_and_its_json_be_printed(run: Path, tmp_path: Path) -> None:
    done = call(run, "--trust", keys(), "--folder", tmp_path / "told", "-o", "json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "told" / DOSSIER).read_text())
    assert sorted(path.name for path in (tmp_path / "told").iterdir()) == [DOSSIER_PAGE, DOSSIER]
    assert not (run / DOSSIER).exists()
    call("--verify", tmp_path / "told" / DOSSIER, "--trust", keys(), "--run", run, code=3)


def test_a_file_that_cannot_be_used_ends_with_1_and_is_told(run: Path) -> None:
    (run / "removed.json").write_text("{")
    done = call(run, "--trust", keys(), code=1)
    assert "Cannot be used: removed.json" in done.stdout
    assert "removed.json is damaged" in (run / DOSSIER_PAGE).read_text()


def test_verification_ends_with_0_1_2_or_3(run: Path, tmp_path: Path) -> None:
    call(run, "--trust", keys(), "--key", keyring() / "bob.pem")
    asked = ("--verify", run / DOSSIER, "--trust", keys())
    before = (run / CARD).read_bytes()
    (run / CARD).unlink()
    assert "missing: model.json" in call(*asked, code=3).stdout
    (run / CARD).write_text("{}")
    done = call(*asked, code=1)
    assert "changed: model.json" in done.stdout
    assert "NOT VERIFIED: model.json" in done.stdout
    found = json.loads(call(*asked, "-o", "json", code=1).stdout)
    assert (found["ok"], found["files"][2]["state"]) == (False, "same")
    (run / CARD).write_bytes(before)
    (tmp_path / "mallory").mkdir()
    for suffix in (".pub", ".toml"):
        shutil.copy(keyring() / f"mallory{suffix}", tmp_path / "mallory")
    wrong = call("--verify", run / DOSSIER, "--trust", tmp_path / "mallory", code=1)
    assert "none of the 1 trusted ones" in wrong.stderr
    (run / DOSSIER_SIGNED).unlink()
    assert "Nobody signed it" in call(*asked, code=3).stdout
    (run / DOSSIER).write_text("{")
    assert "is not a valid dossier file" in call(*asked, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Give the folder of a run"),
        (("nowhere",), 2, "no run folder nowhere"),
        (("empty",), 3, "no evidence"),
        (("empty", "--key", "k.pem"), 2, "--trust keys/"),
        (("--verify", "x.json"), 2, "the keys that you trust"),
        (("empty", "--verify", "x.json", "--trust", "keys"), 2, "makes no dossier"),
        (("empty", "--run", "empty"), 2, "Give the folder of a run"),
        (("--verify", "x.json", "--trust", "TRUST"), 2, "no dossier x.json"),
    ],
)
def test_wrong_requests_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    done = call(*(str(keys()) if one == "TRUST" else one for one in arguments), code=code)
    assert said in " ".join(done.stderr.split())
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_time_is_the_one_of_the_environment_where_that_names_one(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(run, "--trust", keys())
    first = (run / DOSSIER).read_text()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    call(run, "--trust", keys())
    second = (run / DOSSIER).read_text()
    said = decode(Dossier, second, where="x")
    assert said.made == times.to_text(datetime(2026, 1, 1, tzinfo=UTC))
    assert second == first.replace(f'"made": "{times.to_text(NOW)}"', f'"made": "{said.made}"')
    page = (run / DOSSIER_PAGE).read_bytes()
    call(run, "--trust", keys())
    assert ((run / DOSSIER).read_text(), (run / DOSSIER_PAGE).read_bytes()) == (second, page)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert "SOURCE_DATE_EPOCH" in call(run, "--trust", keys(), code=2).stderr


def test_a_dossier_is_verified_on_a_bare_install(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(run, "--trust", keys(), "--key", keyring() / "bob.pem")
    done = run_core("dossier", "--verify", run / DOSSIER, "--trust", keys(), "--run", run)
    assert done.stdout.startswith("VERIFIED"), done.stdout + done.stderr
    assert done.returncode == 0
