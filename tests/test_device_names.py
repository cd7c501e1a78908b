"""A device that is not here is one sentence, before any data are read."""

import pytest
from typer.testing import CliRunner

from whitesquare.cli import app

ASKED = {
    "train": ("no-such-data", "-o", "out"),
    "scan": ("no-such-data",),
    "measure": ("no-such-model",),
    "poison": ("no-such-data", "--attack", "stamp", "--target", "0", "--count", "1", "-o", "out"),
}


@pytest.mark.parametrize("verb", ASKED)
def test_it_is_refused_first(verb: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [verb, *ASKED[verb], "--device", "cuda:77"])
    assert done.exit_code == 2
    assert " ".join(done.stderr.split()).startswith("Error: There is no device 'cuda:77' here; found cpu")
    assert not (tmp_path / "out").exists()
