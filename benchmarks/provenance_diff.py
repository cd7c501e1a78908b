"""How long it takes to compare two manifests of 10,000,000 rows, and how much memory.

    python benchmarks/provenance_diff.py

The rows are synthetic: a hundred classes, random names and digests. Each case is compared in processes of its own:
``edits`` is one row in a thousand changed, removed, relabelled, renamed and added each; ``moved`` is every file in
another folder; ``shift`` is what the removal of three samples does to ids that are positions. What the diff counts is
checked against what was done.
"""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from common import RESULTS, answer_of, options, write, write_result
from whitesquare._base.machine import peak_memory_gb
from whitesquare.provenance.diff import diff

_SIGNED = """SELECT printf('train/class%03d/%s.png', i % 100, substr(sha256(i::VARCHAR), 1, 12)) AS id,
    printf('class%03d', i % 100) AS label, 'train' AS split, 3000 + i % 500 AS size,
    unhex(sha256('content' || i)) AS sha256, hash(i) % 1000 AS lot FROM range({rows}) numbers(i)"""
_EDITED = """SELECT CASE lot WHEN 1 THEN id || '.x.png' WHEN 5 THEN id || '.new' ELSE id END AS id,
    CASE lot WHEN 2 THEN 'another' ELSE label END AS label, split, size,
    CASE WHEN lot IN (3, 5) THEN unhex(sha256(id || lot)) ELSE sha256 END AS sha256
    FROM (SELECT * FROM rows WHERE lot <> 4 UNION ALL SELECT * REPLACE (0 AS lot) FROM rows WHERE lot = 5)"""
_NUMBERED = "SELECT *, row_number() OVER () - 1 AS place FROM rows"
_PLACED = "SELECT printf('train/%05d', {place}) AS id, label, split, size, sha256 FROM numbered WHERE {kept}"
CASES = {
    "edits": ("SELECT * EXCLUDE lot FROM rows", _EDITED),
    "moved": ("SELECT * EXCLUDE lot FROM rows", "SELECT * EXCLUDE lot REPLACE ('more/' || id AS id) FROM rows"),
    "shift": (
        _PLACED.format(place="place", kept="true"),
        _PLACED.format(place="place - 3 * (place > 99)::INT", kept="place NOT BETWEEN 97 AND 99"),
    ),
}


def make(folder: Path, case: str, rows: int) -> dict[str, int]:
    """Write both manifests of a case and return what a diff must count."""
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / "spill")}) as db:
        db.execute("SET enable_progress_bar = false")
        db.execute(f"CREATE TABLE rows AS {_SIGNED.format(rows=rows)}")
        if case == "shift":
            db.execute(f"CREATE TABLE numbered AS {_NUMBERED}")
        for name, query in zip(("signed", "found"), CASES[case], strict=True):
            db.execute(
                f"COPY ({query} ORDER BY id, split) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )
        lots = dict(db.execute("SELECT lot, count(*) FROM rows GROUP BY lot").fetchall())
    done = {"edits": (lots[3], lots[5], lots[4], lots[2], lots[1]), "moved": (0, 0, 0, 0, rows)}
    found = done.get(case, (0, 0, 3, 0, rows - 100))
    return dict(zip(("changed", "added", "removed", "relabelled", "renamed"), found, strict=True))


def one(folder: Path, case: str) -> dict[str, object]:
    """Compare the manifests in this process."""
    started = time.perf_counter()
    counts = diff(
        folder / "signed.parquet", folder / "found.parquet", folder / "out.parquet", positional=case == "shift"
    )
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "peak_gb": round(peak_memory_gb() or 0, 2), "counts": counts}


def main() -> None:
    """Run every case several times and write the results."""
    parser = options(__doc__, RESULTS / "provenance-diff.json")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "CASE"), help="write the manifests of that case")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "CASE"), help="compare them in this process")
    asked = parser.parse_args()
    if asked.make:
        write(asked.output, make(Path(asked.make[0]), asked.make[1], asked.rows))
        return
    if asked.one:
        write(asked.output, one(Path(asked.one[0]), asked.one[1]))
        return
    results = {}
    for case in asked.cases:
        with TemporaryDirectory() as folder:
            expected = answer_of(__file__, "--rows", asked.rows, "--make", folder, case)
            runs = [answer_of(__file__, "--one", folder, case) for _ in range(asked.repeat)]
        for run in runs:
            if run.pop("counts") != expected:
                raise SystemExit(f"{case}: the diff counts something else than was done: {expected}")
        seconds = [run["seconds"] for run in runs]
        spread = round(statistics.stdev(seconds), 1) if len(seconds) > 1 else None
        results[case] = {
            "n": len(runs),
            "seconds": seconds,
            "mean": round(statistics.mean(seconds), 1),
            "sd": spread,
            "peak_gb": max(run["peak_gb"] for run in runs),
            "counts": expected,
        }
        print(case, results[case], flush=True)
    record = {
        "what": f"diff of two manifests of {asked.rows} rows",
        "rows": asked.rows,
        "cases": results,
    }
    write_result(asked.output, record, libraries=("duckdb",))


if __name__ == "__main__":
    main()
