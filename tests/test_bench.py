"""The bench as a user runs it: plans and their mistakes, results, resuming after a kill, failures, executors."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whitesquare
from tests.patience import until
from tests.programs import python
from tests.test_imports import imported
from whitesquare._base.cache import Cache, default_cache
from whitesquare._base.schema import decode
from whitesquare.attacks import ATTACKS
from whitesquare.data import from_arrays, open_dataset, write_dataset
from whitesquare.errors import DataError, UsageError, WhitesquareError
from whitesquare.executor import make_executor
from whitesquare.learning.measure import measure, prepare
from whitesquare.learning.recipes import FIRST_SURROGATE_SEED, VICTIMS
from whitesquare.learning.train import train
from whitesquare.study.bench.cells import make_cells, open_source
from whitesquare.study.bench.plan import parse_plan, read_plan
from whitesquare.study.bench.run import count_cells, run_bench
from whitesquare.study.bench.store import DECIDING, RESULTS, TABLE
from whitesquare.study.bench.summary import setting_of
from whitesquare.study.bench.types import BASELINE, BenchResult
from whitesquare.triggers import parse_trigger

PRECISION = dict.fromkeys(("auto", "float32", "bfloat16"), "float32")
GRID = '[[grid]]\nattack = "stamp"\ncount = 5\n'


def small_plan(data, path, seeds=2, epochs=40):
    """Two attacks, two rates, and the baseline on a quick victim."""
    path.write_text(
        f"""title = "Small"
[victims.quick]
epochs = {epochs}
batch_size = 20
learning_rate = 0.003
[[grid]]
data = {str(data)!r}
attack = ["stamp", "label-flip"]
count = 40
victim = "quick"
victim_seeds = {seeds}
[[grid]]
data = {str(data)!r}
attack = "stamp"
count = 40
opacity = 0.5
victim = "quick"
victim_seeds = {seeds}
"""
    )
    return path


def numbers(folder):
    """Everything the cells found, without the times."""
    found = {}
    for path in (folder / "cells").glob("*.json"):
        record = json.loads(path.read_text())
        del record["seconds"]
        (record["poison"] or {}).pop("seconds", None)
        found[path.name] = record
    return found


def command(plan, out, *more):
    return [sys.executable, "-m", "whitesquare.cli", "bench", str(plan), "-o", str(out), *map(str, more)]


def bench(plan, out, *more, env=None):
    done = python(*command(plan, out, *more)[1:], env=os.environ | {"COLUMNS": "80"} | (env or {}))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def run(plan, out, executor="local", workers=2, cache=None):
    """What the verb does, in this process and without the report."""
    place = make_executor(executor, workers=workers)
    kept = default_cache() if cache is None else cache
    return run_bench(read_plan(plan), plan.read_text(), out, place, cache=kept)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six hundred random images of three classes, in a folder."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def split(size):
        labels = np.arange(size) % 3
        images = rng.integers(0, 80, (size, 12, 12)) + 80 * labels[:, None, None]
        return from_arrays(images.astype(np.uint8), labels)

    write_dataset(folder, split(600), split(90), "npz")
    return folder


@pytest.fixture(scope="module")
def source(data):
    return {"mnist": open_source(str(data))}


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A finished bench: plan and folder."""
    folder = tmp_path_factory.mktemp("bench")
    plan = small_plan(data, folder / "plan.toml")
    done = bench(plan, folder / "out")
    assert done.returncode == 0, done.stderr
    assert "8 of 8 cells finished" in done.stdout
    return plan, folder / "out"


def test_a_plan_varies_how_samples_are_selected_and_cells_by_chance_are_what_they_were(source):
    grid = GRID + '[grid.parameters]\nselect = ["random", "complexity"]\n'
    plan = parse_plan(grid.replace("[grid.", "victim_seeds = 1\n[grid."), where="plan")
    _, drawn, smooth = make_cells(plan, source, PRECISION)
    assert (drawn.parameters["select"], smooth.parameters["select"]) == ("random", "complexity")
    older = replace(drawn, parameters={"training_opacity": 1.0})
    assert (older.key, older.poison_key) == (drawn.key, drawn.poison_key)
    assert smooth.key != drawn.key
    assert smooth.poison_key != drawn.poison_key
    assert setting_of(smooth) == "stamp n=5 select=complexity"


BAD = [
    ("", "the plan has no cells"),
    ("grid = []", "the plan has no cells"),
    ('[grid]\nattack = "stamp"', "two brackets"),
    ("[[grid]\n", "is not a TOML file"),
    ("[[grid]]\ncount = 5", "grid 1: it has no 'attack'"),
    ("[[grid]]\natack = 'stamp'\ncount = 5", "Did you mean 'attack'"),
    ('[[grid]]\nattack = "stamp"', "either a count of poisons or a rate"),
    (GRID + "rate = 0.1", "either a count of poisons or a rate"),
    (GRID + 'victims = "default"', "Did you mean 'victim'"),
    (GRID + 'victim = "defualt"', "Did you mean 'default'"),
    (GRID + "victim = []", "leaves no cells"),
    (GRID + "victim_seeds = 0", "'victim_seeds' must be at least 1"),
    (GRID + f"victim_seeds = [{FIRST_SURROGATE_SEED}]", "below the attacker's"),
    (GRID + 'victim_seeds = ["a"]', "grid 1: victim_seeds[0] is 'a'; expected a whole number"),
    (GRID + 'trigger = "pach"', "Did you mean 'patch'"),
    (GRID + "attack_seeds = -1", "'attack_seeds' must be at least 0"),
    (GRID.replace("5", "0"), "'count' must be at least 1"),
    (GRID.replace("5", "true"), "count[0] is True; expected a whole number"),
    (GRID.replace("count = 5", "rate = 1.5"), "'rate' must be above 0 and below 1"),
    (
        GRID + "[grid.parameters]\nx = [{}]",
        "x[0] is {}; expected a whole number, a number, a text, true or false",
    ),
    (GRID + "[victims.mine]\nepocs = 3", "Did you mean 'epochs'"),
    (GRID + "[victims.mine]\nepochs = 0", "'epochs' of Recipe must be at least 1"),
    (GRID + "[victims.mine]\nepochs = 1.5", "[victims.mine]: epochs is 1.5; expected a whole number"),
    (GRID + "parameters = 3", "parameters is 3; expected a table"),
    ("victims = 3\n" + GRID, "[victims]: it is 3; expected a table"),
    ("baseline = 1\n" + GRID, "baseline is 1; expected true or false"),
    ("grids = []\n" + GRID, "no key named 'grids'"),
    ("titel = 1\n" + GRID, "Did you mean 'title'"),
]
BAD_CELLS = [
    (GRID.replace("stamp", "stmp"), "Did you mean 'stamp'"),
    (GRID + "[grid.parameters]\nselect = 'forgeting'", "Did you mean 'forgetting'"),
    (GRID + "[grid.parameters]\ntraining_opacty = 0.5", "Did you mean 'training_opacity'"),
    (GRID + "opacity = 1.5", "in (0, 1]"),
    (GRID + "epsilon = 0.1", "no parameter"),
    (GRID.replace("5", "201"), "there are 200 and 201 were asked for"),
    (GRID.replace("stamp", "label-flip").replace("5", "401"), "there are 400 and 401"),
    (GRID.replace("count = 5", "rate = 0.5"), "there are 200 and 300"),
    (GRID + "target = 7", "target class 7 has no sample"),
    (GRID + 'trigger = "patch:size=30"', "does not fit"),
    (GRID + GRID, "same cell twice, in grid 1 and in grid 2"),
    (GRID + "victim_seeds = [1, 1]", "same cell twice"),
    (GRID + "opacity = [0.5, 0.5]", "same cell twice"),
    (GRID + "opacity = 1.0\n" + GRID + "[grid.parameters]\ntraining_opacity = 1", "same cell twice"),
    (GRID.replace("count = 5", "rate = [0.1, 0.1001]"), "same cell twice"),
    (GRID.replace('"stamp"', '"adaptive-white"') + GRID.replace('"stamp"', '"adaptive"') + "opacity = 1", "same cell"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_wrong_plan_is_refused(text, message):
    with pytest.raises((UsageError, DataError)) as error:
        parse_plan(text, where="plan.toml")
    assert message in str(error.value)
    assert "plan.toml" in str(error.value)


@pytest.mark.parametrize(("text", "message"), BAD_CELLS)
def test_a_plan_that_cannot_be_met_is_refused_before_anything_runs(text, message, source):
    with pytest.raises(UsageError) as error:
        make_cells(parse_plan(text, where="plan.toml"), source, PRECISION)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["reference.toml", "cost.toml"])
def test_the_committed_plans_can_be_run(name):
    plan = read_plan(Path(__file__).parent.parent / "benchmarks" / name)
    cells = make_cells(plan, {"mnist": open_source("mnist")}, PRECISION)
    assert {cell.victim for cell in cells} == set(VICTIMS) - {"colour"}


names = st.lists(st.sampled_from(["stamp", "label-flip"]), min_size=1, max_size=2, unique=True)


@settings(max_examples=30, deadline=None)
@given(
    attacks=names,
    counts=st.lists(st.integers(1, 200), min_size=1, max_size=3, unique=True),
    victims=st.lists(st.sampled_from(sorted(VICTIMS)), min_size=1, max_size=3, unique=True),
    seeds=st.lists(st.integers(0, FIRST_SURROGATE_SEED - 1), min_size=1, max_size=3, unique=True),
    baseline=st.booleans(),
)
def test_the_cells_are_the_product_and_no_two_share_a_file(source, attacks, counts, victims, seeds, baseline):
    text = f"baseline = {str(baseline).lower()}\n[[grid]]\nattack = {attacks}\ncount = {counts}\n"
    text += f"victim = {victims}\nvictim_seeds = {seeds}\n"
    cells = make_cells(parse_plan(text, where="plan"), source, PRECISION)
    recipes = len({repr(VICTIMS[name].recipe) for name in victims})
    assert recipes == len(victims)
    clean = [cell for cell in cells if cell.attack == BASELINE]
    assert len(clean) == (len(victims) * len(seeds) if baseline else 0)
    assert len(cells) - len(clean) == len(attacks) * len(counts) * len(victims) * len(seeds)
    assert len({cell.key for cell in cells}) == len(cells)
    assert all(cell.victim_seed < FIRST_SURROGATE_SEED for cell in cells)
    assert cells == make_cells(parse_plan(text, where="plan"), source, PRECISION)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_plan_or_an_error_of_ours(text):
    try:
        assert parse_plan(text + "\n" + GRID, where="plan.toml").grids
    except WhitesquareError:
        return


@pytest.mark.long
def test_results_in_every_form_agree(finished):
    _, out = finished
    result = decode(BenchResult, (out / RESULTS).read_text(), where="results.json")
    assert (result.cells, result.finished, len(result.lines), result.failures) == (8, 8, 4, ())
    assert [line.attack for line in result.lines] == [BASELINE, "stamp", "label-flip", "stamp"]
    dim = result.lines[-1]
    assert dim.poison.training_trigger.startswith("faded:opacity=0.5|patch")
    assert dim.poison.label_consistency.n == 40
    assert dim.poison.poison_rate == pytest.approx(40 / 600)
    assert result.lines[2].asr.n == 2
    assert result.lines[2].asr.mean > 0.8
    assert result.lines[0].poison is None
    rows = duckdb.sql(f"select attack, avg(asr), count(*) from '{out / TABLE}' group by all").fetchall()
    means = {name: mean for name, mean, _ in rows}
    assert means["label-flip"] == pytest.approx(result.lines[2].asr.mean)
    assert sum(count for *_, count in rows) == 8
    curve = next(curve for curve in result.curves if curve.axis == "training_opacity")
    assert [point.x for point in curve.points] == [0.5, 1.0]
    page = (out / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Content-Security-Policy" in page
    assert "http" not in page.replace("http-equiv", "")
    assert {path.suffix for path in (out / "figures").iterdir()} == {".svg", ".png"}


def test_a_finished_bench_is_not_run_again(finished):
    plan, out = finished
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    assert run(plan, out).finished == 8
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()} == before
    assert count_cells(read_plan(plan), out).startswith("8 cells, of which 8 are finished; 2 poisons")


def test_the_digest_of_the_code_is_of_all_that_a_cell_can_reach():
    root, reached, new = Path(whitesquare.__file__).parent, set(), {"study"}
    while new:
        room = new.pop()
        reached.add(room)
        for path in [root / f"{room}.py", *(root / room).rglob("*.py")]:
            if path.is_file():
                new |= set(imported(path)) - reached
    assert reached == set(DECIDING)
    assert not {"report", "cli", "jobs", "gating"} & reached


def test_what_decides_a_number_changes_the_digest_and_what_shows_it_does_not(tmp_path):
    package = tmp_path / "whitesquare"
    shutil.copytree(Path(whitesquare.__file__).parent, package, ignore=shutil.ignore_patterns("*.gz", "__pycache__"))

    def digest():
        code = f"from whitesquare._base.machine import code_digest as of; print(of({DECIDING!r}))"
        env = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    before = digest()
    for name in ("report/bench/page.py", "cli/terminal.py", "cli/__init__.py", "jobs/scan.py"):
        with (package / name).open("a") as file:
            file.write("#")
    assert digest() == before
    for name in ("learning/estimates.py", "records.py", "study/bench/summary.py", "detectors/strip.py"):
        with (package / name).open("a") as file:
            file.write("#")
        assert digest() != before, name
        before = digest()


def test_cells_of_another_version_are_told(finished, tmp_path):
    plan, out = finished
    assert not decode(BenchResult, (out / RESULTS).read_text(), where="results.json").outdated
    shutil.copytree(out, tmp_path / "out")
    for path in (tmp_path / "out" / "cells").iterdir():
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"code": "0" * 64}))
    done = bench(plan, tmp_path / "out")
    assert "another version of the code" in " ".join(done.stdout.split())
    assert "another version of the code" in (tmp_path / "out" / "report.html").read_text()


def test_a_family_that_is_renamed_keeps_its_results(finished, tmp_path):
    plan, out = finished
    renamed = tmp_path / "plan.toml"
    renamed.write_text(plan.read_text().replace("quick", "rapid"))
    assert {line.victim for line in run(renamed, out).lines} == {"rapid"}


@pytest.mark.long
def test_a_damaged_cell_is_run_again(finished):
    plan, out = finished
    path = sorted((out / "cells").iterdir())[0]
    good = path.read_text()
    path.write_text(good[:-100])
    assert run(plan, out).finished == 8
    assert json.loads(path.read_text())["victim"] == json.loads(good)["victim"]


def killed_after_two_cells(plan, out, cache):
    """Kill a bench as soon as two cells are kept; return the times of all that are."""
    env = os.environ | {"WHITESQUARE_CACHE": str(cache)}
    killed = subprocess.Popen(command(plan, out, "--workers", 1), env=env, stderr=subprocess.DEVNULL)
    try:
        until(lambda: killed.poll() is not None or len(list(out.glob("cells/*.json"))) >= 2, "two cells")
    finally:
        killed.kill()
        killed.wait()
    return {path: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}


@pytest.mark.long
def test_a_killed_bench_goes_on_where_it_was(finished, tmp_path):
    plan, whole = finished
    for attempt in range(5):  # where this process gets no turn for seconds, the bench is done before it is killed
        out, cache = tmp_path / f"out{attempt}", tmp_path / f"cache{attempt}"
        kept = killed_after_two_cells(plan, out, cache)
        if len(kept) < 8:
            break
    assert 2 <= len(kept) < 8
    assert run(plan, out, cache=Cache(cache)).finished == 8
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert numbers(out) == numbers(whole)
    assert not list(out.rglob("*.part"))


@pytest.mark.long
def test_an_interrupted_bench_leaves_the_results_of_what_was_finished(finished, tmp_path):
    plan, _ = finished

    def interrupted(step, done, total):
        if step == "cells" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bench(
            read_plan(plan),
            plan.read_text(),
            tmp_path / "out",
            make_executor("local", workers=1),
            cache=Cache(tmp_path / "cache"),
            on_progress=interrupted,
        )
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (result["finished"], result["failures"]) == (2, [])
    assert result["cells"] > 2
    assert result["machine"]["cores"]


@pytest.mark.long
def test_processes_give_the_same_numbers(finished, tmp_path):
    plan, out = finished
    assert run(plan, tmp_path / "out", "processes", workers=1).finished == 8
    assert numbers(tmp_path / "out") == numbers(out)


def test_two_runs_in_one_folder_do_not_meet(finished):
    fcntl = pytest.importorskip("fcntl")
    plan, out = finished
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="Another bench is running"):
            run(plan, out)


@pytest.mark.long
def test_a_cell_that_fails_is_told_and_the_rest_goes_on(data, tmp_path):
    plan = tmp_path / "plan.toml"
    wild = "[victims.wild]\noptimiser = 'sgd'\nschedule = 'constant'\nlearning_rate = 1e30\nepochs = 30\n"
    grid = f"[[grid]]\ndata = '{data}'\nattack = 'stamp'\ncount = 5\nvictim = ['quick', 'wild']\nvictim_seeds = 1\n"
    plan.write_text(wild + "[victims.quick]\nepochs = 1\n" + grid)
    done = bench(plan, tmp_path / "out")
    assert done.returncode == 2
    assert "2 of 4 cells finished" in done.stdout
    assert "diverged" in done.stderr
    failures = decode(BenchResult, (tmp_path / "out" / RESULTS).read_text(), where="results.json").failures
    assert {failure.cell.victim for failure in failures} == {"wild"}
    assert len(list((tmp_path / "out" / "failed").iterdir())) == 2
    assert "diverged" in (tmp_path / "out" / "report.html").read_text()
    plan.write_text(plan.read_text().replace("1e30", "0.01"))
    assert run(plan, tmp_path / "out").failures == ()


def test_a_learned_trigger_is_asked_of_victims_that_saw_no_poison_too(data, tmp_path):
    own = "steps = 3, samples = 60, surrogates = 1, surrogate_epochs = 1"
    text = f"[[grid]]\nattack = 'narcissus'\ncount = 40\ntarget = 2\nparameters = {{ {own} }}\ndata = '{data}'\n"
    text += "victim_seeds = 2\nvictim = 'quick'\n[victims.quick]\nepochs = 4\nbatch_size = 20\n"
    (tmp_path / "plan.toml").write_text(text)
    clean, poisoned = run(tmp_path / "plan.toml", tmp_path / "out").lines
    assert (clean.attack, clean.count, clean.parameters, clean.poison) == (BASELINE, 0, {}, None)
    assert (poisoned.attack, poisoned.count) == ("narcissus", 40)
    assert clean.setting == f"clean, trigger of {poisoned.setting}"

    dataset, recipe = open_dataset(data), read_plan(tmp_path / "plan.toml").families["quick"]
    learned = parse_trigger(poisoned.poison.trigger)
    test = prepare(open_dataset(data, "test"), learned, 2)
    asked = [measure(train(dataset, recipe, seed=seed), test).asr.value for seed in (1, 2)]
    assert clean.asr.mean == pytest.approx(np.mean(asked))
    rows = duckdb.read_parquet(str(tmp_path / "out" / TABLE)).select("attack, count").fetchall()
    assert sorted(rows) == [("narcissus", 40)] * 2 + [("none", 0)] * 2


def test_a_poison_that_fails_takes_only_its_own_cells(data, tmp_path, monkeypatch):
    class Broken(type(ATTACKS["stamp"])):
        def craft(self, images, labels, context):
            raise RuntimeError("no luck")

    monkeypatch.setitem(ATTACKS, "broken", Broken())
    text = GRID.replace('"stamp"', '["broken", "stamp"]') + f"data = '{data}'\nvictim_seeds = 1\nvictim = 'quick'\n"
    plan = parse_plan("baseline = false\n" + text + "[victims.quick]\nepochs = 1\n", where="plan")
    result = run_bench(plan, text, tmp_path / "out", make_executor("local", workers=1), cache=Cache(None))
    assert [line.attack for line in result.lines] == ["stamp"]
    assert [failure.reason for failure in result.failures] == [
        "Its poison could not be crafted: The attack 'stamp' failed: RuntimeError: no luck."
    ]


def test_a_full_disk_fails_cells_and_not_the_run(data, tmp_path, monkeypatch):
    from whitesquare.study.bench import store

    real = store.write_text

    def full(path, text):
        if path.parent.name == "cells":
            raise OSError(28, "No space left on device")
        real(path, text)

    monkeypatch.setattr(store, "write_text", full)
    text = GRID + f"data = '{data}'\nvictim_seeds = 1\nvictim = 'quick'\n[victims.quick]\nepochs = 1\n"
    plan = parse_plan(text, where="plan")
    result = run_bench(plan, text, tmp_path / "out", make_executor("local", workers=2), cache=Cache(None))
    assert (result.finished, len(result.failures)) == (0, 2)
    assert "No space left on device" in result.failures[0].reason
    assert (tmp_path / "out" / RESULTS).is_file()


def test_a_strangers_folder_is_left_alone(finished, tmp_path):
    plan, _ = finished
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="was not written by whitesquare"):
        run(plan, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_users_own_file_in_a_bench_folder_stays(finished):
    plan, out = finished
    (out / "notes.txt").write_text("mine")
    run(plan, out)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "workers", "address", "message"),
    [
        ("procesess", 1, None, "Did you mean 'processes'"),
        ("local", 0, None, "at least 1"),
        ("local", 1, "127.0.0.1:1", "is for the executor 'ray'"),
    ],
)
def test_a_wrong_executor_is_refused(name, workers, address, message):
    with pytest.raises(UsageError, match=message):
        make_executor(name, workers=workers, address=address)


def test_the_verb_refuses_in_one_sentence_and_leaves_nothing(data, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(GRID.replace("5", "201") + f"data = '{data}'\n")
    done = bench(plan, tmp_path / "out")
    assert done.returncode == 2
    assert "there are 200 and 201 were asked for" in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()
