"""The story of docs/story.md, as it is told: the script checks every step and stops at the first that is otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "story.sh"


@pytest.mark.slow
@pytest.mark.parametrize("samples", [12_000, 60_000])
def test_the_story_is_as_told(tmp_path, samples):
    folder = tmp_path / "story"
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    told = subprocess.run(["bash", SCRIPT, folder, str(samples)], env=env, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-2000:]
    assert f"verify names exactly the {samples // 20} files" in told.stdout
    assert {"model.safetensors", "vsa.sigstore.json", "manifest.parquet"} <= {
        path.name for path in (folder / "released").iterdir()
    }


def test_a_step_that_is_not_as_told_stops_the_story(tmp_path):
    (tmp_path / "story").mkdir()
    told = subprocess.run(["bash", SCRIPT, tmp_path / "story"], capture_output=True, text=True)
    assert told.returncode != 0
    assert not told.stdout
