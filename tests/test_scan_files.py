"""scan.json and scores.parquet: what is written is what was found, and what is read back is nothing else."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitesquare.deciding.findings import Finding, read_scan
from whitesquare.errors import DataError
from whitesquare.records import TIERS
from whitesquare.scanning.files import FORMAT, scan_json, write_scores
from whitesquare.scanning.types import Flag, ScanScores

from .report.scan_sample import hostile, nothing_found, nothing_ran, result, scores, square

KEYS = {
    "format", "verdict", "reasons", "source", "digest", "size", "mode", "calibration", "calibration_note",
    "reference_size", "alarms", "not_run", "skipped", "warnings", "classes", "detectors", "seed", "seconds", "versions",
    "machine", "flagged", "model", "learned", "held_out", "features", "trained", "coverage",
}  # fmt: skip
ALARM = {
    "class", "label", "tier", "rule_id", "reasons", "p_value", "p_method", "carriers", "trigger", "flip_rate",
    "untouched_rate", "control_mean", "control_worst", "controls", "strength", "benign",
}  # fmt: skip


def test_the_file_has_the_names_that_were_promised() -> None:
    found = json.loads(scan_json(result()))
    assert set(found) == KEYS
    assert found["verdict"] == "confirmed"
    assert set(found["alarms"][0]) == ALARM
    assert found["alarms"][0]["class"] == "0"
    assert found["alarms"][0]["flip_rate"] == {"value": 0.962, "low": 0.948, "high": 0.973, "n": 900}
    assert set(found["alarms"][0]["trigger"]) == {"kind", "mask", "pattern", "bbox"}
    assert np.array(found["alarms"][0]["trigger"]["pattern"]).shape == (1, 28, 28)
    assert found["alarms"][0]["trigger"]["bbox"] == list(square().bbox)
    assert found["not_run"]["nearest-reference"].startswith("it needs trusted samples")
    assert found["flagged"][0] == {
        "id": "train/00000", "label": 0, "class": "0", "tier": "confirmed", "rule_id": "SS01", "fused": 9.5,
        "p_value": 0.0002,
    }  # fmt: skip
    assert "fused_auroc" not in found
    assert json.loads(scan_json(result(fused_auroc=0.99)))["fused_auroc"] == 0.99


def test_scores_of_flagged_samples_are_added_where_they_are_given() -> None:
    flagged = (Flag("train/00003", 3, 3, "review", "LS01", 1.0, None),)
    given_scores = scores()
    found = json.loads(scan_json(result(flagged=flagged), given_scores))["flagged"][0]["scores"]
    assert found["loss-speed"] is None
    assert found["pixel-match"] == pytest.approx(float(given_scores.by_detector["pixel-match"][3]))


@pytest.mark.parametrize("case", [hostile(), nothing_found(), nothing_ran()], ids=["hostile", "clean", "idle"])
def test_it_is_strict_json_whatever_was_found(case: Any, tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    path = tmp_path / "scan.json"
    path.write_text(scan_json(case), encoding="utf-8")
    json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    found = read_scan(path)
    assert found.source == case.source
    assert (found.verdict, found.skipped) == (case.verdict, case.skipped)
    assert [one.id for one in found.flagged] == [flag.id for flag in case.flagged]


names = st.text(st.characters(exclude_categories=()), max_size=12)
flagged = st.lists(
    st.builds(
        Flag, id=names, position=st.integers(0, 10**6), label=st.integers(0, 999), tier=st.sampled_from(TIERS),
        rule_id=names, fused=st.floats(), p_value=st.none() | st.floats(),
    ),
    unique_by=lambda flag: flag.id, max_size=8,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(source=names, digest=names, flags=flagged)
def test_what_is_written_is_read_back(source: str, digest: str, flags: list[Flag], tmp_path: Path) -> None:
    joined = "".join((source, digest, *(flag.id + flag.rule_id for flag in flags)))
    case = result(source=source, digest=digest, flagged=tuple(flags))
    path = tmp_path / "scan.json"
    path.write_text(scan_json(case), encoding="utf-8")
    found = read_scan(path)
    assert (found.size, found.verdict) == (case.size, case.verdict)
    if not any("\ud800" <= letter <= "\udbff" for letter in joined):  # such a half joins the next one
        assert (found.source, found.digest) == (source, digest)
        scores = [flag.fused if math.isfinite(flag.fused) else None for flag in flags]
        assert found.flagged == tuple(
            Finding(flag.id, flag.label, flag.tier, flag.rule_id, score)
            for flag, score in zip(flags, scores, strict=True)
        )


def damaged() -> dict[str, tuple[str, str]]:
    whole = json.loads(scan_json(result()))
    flag = whole["flagged"][0]

    def text(**changes: Any) -> str:
        return json.dumps(whole | changes)

    return {
        "empty": ("", "Expecting value"),
        "cut": (scan_json(result())[:2000], "not a scan.json"),
        "foreign": ('{"runs": []}', "format"),
        "list": ("[]", "format"),
        "other form": (text(format="whitesquare scan 2"), FORMAT),
        "no digest": (
            json.dumps({key: value for key, value in whole.items() if key != "digest"}),
            "it has no 'digest'",
        ),
        "size": (text(size="many"), "size is 'many'; expected a whole number"),
        "size is a truth": (text(size=True), "size is True; expected a whole number"),
        "verdict": (text(verdict="fine"), "'fine'"),
        "tier": (text(flagged=[flag | {"tier": "odd"}]), "'odd'"),
        "label": (text(flagged=[flag | {"label": 0.5}]), "flagged[0].label is 0.5; expected a whole number"),
        "flag": (text(flagged=["train/1"]), "flagged[0] is 'train/1'; expected a table"),
        "twice": (text(flagged=[flag, flag]), "twice"),
        "too many": (text(size=1), "only 1 were scanned"),
        "a key twice": ('{"format": 1, "format": "' + FORMAT + '"}', "the key 'format' occurs twice"),
        "deep": ("[" * 200_000, "nested"),
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_or_foreign_file_is_refused(name: str, tmp_path: Path) -> None:
    text, reason = damaged()[name]
    path = tmp_path / "scan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"scan\.json") as refusal:
        read_scan(path)
    assert reason in str(refusal.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_scan(tmp_path / "absent.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_scan(tmp_path / "binary")


def read_parquet(path: Path, sql: str = "SELECT *") -> Any:
    """Read with a connection that did not write it (no pandas or pyarrow is needed)."""
    with duckdb.connect() as connection:
        return connection.execute(f"{sql} FROM read_parquet(?)", [str(path)]).fetchnumpy()


def test_scores_are_a_table_in_the_order_of_the_data(tmp_path: Path) -> None:
    given_scores = scores(1500)
    write_scores(tmp_path / "deep" / "scores.parquet", given_scores)
    found = read_parquet(tmp_path / "deep" / "scores.parquet")
    assert list(found) == ["id", "label", "fused", "p_value", *sorted(given_scores.by_detector)]
    assert tuple(found["id"]) == tuple(given_scores.ids)
    np.testing.assert_array_equal(found["label"], given_scores.labels)
    for name, column in given_scores.by_detector.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(np.ma.getmaskarray(found[name]), np.isnan(column))
        np.testing.assert_array_equal(np.ma.filled(found[name], np.nan), column)


def test_the_same_scores_give_the_same_bytes_and_zstd(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_scores(tmp_path / name, scores())
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes()
    assert content[:4] == content[-4:] == b"PAR1"
    with duckdb.connect() as connection:
        kinds = connection.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(tmp_path / "a")])
        assert kinds.fetchall() == [("ZSTD",)]


def test_odd_ids_and_names_are_kept(tmp_path: Path) -> None:
    ids = ("<script>", 'it\'s "x"', "a\nb", "\u202egnp", "\udcff", "", "é漢")
    nothing = np.full(len(ids), np.nan, np.float32)
    odd = ScanScores(ids, np.arange(len(ids)), nothing, nothing, {'a"; DROP TABLE scores; --': nothing})
    path = tmp_path / "it's.parquet"
    write_scores(path, odd)
    found = read_parquet(path)
    assert tuple(found["id"]) == (*ids[:4], "\\udcff", *ids[5:])
    assert list(found)[-1] == 'a"; DROP TABLE scores; --'
    assert np.ma.getmaskarray(found["fused"]).all()


def test_an_empty_scan_is_a_table_without_rows(tmp_path: Path) -> None:
    nothing = np.zeros(0, np.float32)
    write_scores(tmp_path / "x", ScanScores((), np.zeros(0, np.int64), nothing, nothing, {"one": nothing}))
    assert len(read_parquet(tmp_path / "x")["id"]) == 0


def test_scores_that_do_not_fit_leave_no_file(tmp_path: Path) -> None:
    whole = scores()
    (tmp_path / "x").write_text("old")
    with pytest.raises(DataError, match="1499 values of 'fused'"):
        write_scores(tmp_path / "x", replace(whole, fused=whole.fused[1:]))
    with pytest.raises(DataError, match="'label'"):
        write_scores(tmp_path / "x", replace(whole, by_detector={"Label": whole.fused}))
    assert (tmp_path / "x").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


class ManyIds(Sequence[str]):
    def __len__(self) -> int:
        return 960_000

    def __getitem__(self, i: Any) -> Any:
        return f"train/{i:07d}.png"


def test_a_million_rows_take_seconds_and_little_memory(tmp_path: Path) -> None:
    many = len(ManyIds())
    column = np.random.default_rng(0).random(many, np.float32)
    large = ScanScores(ManyIds(), np.arange(many) % 10, column, column, {f"d-{i}": column for i in range(8)})
    started = time.process_time()
    write_scores(tmp_path / "x", large)
    assert time.process_time() - started < 5
    counted = read_parquet(tmp_path / "x", 'SELECT count(*) AS n, avg("d-7") AS mean, max(id) AS last')
    assert int(counted["n"][0]) == many
    assert math.isclose(float(counted["mean"][0]), float(column.mean()), rel_tol=1e-4)
    assert counted["last"][0] == "train/0959999.png"
