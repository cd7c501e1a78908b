"""The code of docs/training_loops.md runs as it stands there, and a scan reads what it recorded."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import whitesquare as ws
from whitesquare.scanning.settings import ScanSettings

from ..provenance.attesting import attested, pictures

PAGE = Path(__file__).parents[2] / "docs" / "training_loops.md"
BLOCKS = dict(re.findall(r"```python\n# ([^\n]+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
NEEDS = {"Lightning": "pytorch_lightning", "transformers": "accelerate"}
"""By block, what must be installed for it, beside PyTorch."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("page"), "png-folder", pictures(24), pictures(6, "test"))


def test_every_block_has_a_name():
    assert list(BLOCKS) == ["plain PyTorch", "Lightning", "transformers", "provenance"]
    assert PAGE.read_text(encoding="utf-8").count("```python") == len(BLOCKS)


@pytest.mark.long
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_runs_and_its_losses_are_scanned(name, case, tmp_path):
    if find_spec(NEEDS.get(name, "torch")) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    for link, place in (("data", case.data), ("attest", case.attestation), ("keys", case.trust)):
        (tmp_path / link).symlink_to(place)
    shutil.copy(case.key("trainer"), tmp_path / "trainer.pem")
    (tmp_path / "loop.py").write_text(BLOCKS[name], encoding="utf-8")
    done = subprocess.run([sys.executable, "loop.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    settings = ScanSettings(model_free=True, detectors=("loss-trajectories", "loss-isolation"))
    found = ws.scan(case.data, settings, losses=tmp_path / "losses.parquet").scan.result
    assert (found.losses.samples, found.losses.inputs) == (24, "plain")
    assert (tmp_path / "run" / "provenance.sigstore.json").exists() or name != "provenance"
