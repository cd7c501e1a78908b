"""The scores of a scan as a DataFrame of pandas, or a sentence where there is none."""

import importlib.util

import numpy as np
import pytest

import whitesquare as ws
from whitesquare.errors import MissingDependencyError
from whitesquare.scanning.frames import score_frame
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import Scan

from .report.scan_sample import result, scores


@pytest.fixture(scope="module")
def done(tiny):
    return ws.scan(tiny, ScanSettings(model_free=True, detectors=("pixel-contrast",)))


def test_a_frame_says_of_flagged_samples_why():
    pytest.importorskip("pandas", reason="pandas is not installed")
    scan = Scan(result(), scores(60_000), ())
    frame = score_frame(scan).set_index("id")
    assert scan.result.flagged
    for flag in scan.result.flagged:
        assert tuple(frame.loc[scan.scores.ids[flag.position], ["tier", "rule_id"]]) == (flag.tier, flag.rule_id)
    assert int(frame["tier"].notna().sum()) == len({flag.position for flag in scan.result.flagged})


def test_a_frame_has_a_row_for_every_sample_as_the_parquet_file_has(done, tiny):
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame, scores = done.to_frame(), done.scan.scores
    assert list(frame.columns) == ["id", "label", "class", "tier", "rule_id", "fused", "p_value", "pixel-contrast"]
    assert list(frame["id"]) == list(tiny.ids)
    assert list(frame["class"]) == [tiny.classes[label] for label in tiny.labels]
    assert np.array_equal(frame["pixel-contrast"], scores.by_detector["pixel-contrast"], equal_nan=True)


def test_without_pandas_a_sentence_says_what_to_install(done, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("whitesquare.errors.find_spec", lambda name: None if name == "pandas" else find(name))
    with pytest.raises(MissingDependencyError, match=r"pip install 'whitesquare\[pandas\]'"):
        done.to_frame()
