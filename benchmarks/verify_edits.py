"""Verifying a large folder in which every kind of edit was made: seconds, memory, and whether each edit is named.

    python benchmarks/verify_edits.py --counts 80000 1280000

A tree of tiny files in a thousand class folders is attested. Then in each folder one file is changed, one added, one
removed, one moved to the next class and one renamed, and the command `verify` writes what it found. Memory is what the
process and those that hash for it hold together, looked at every fiftieth of a second. What is named is compared with
what was done, id by id.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from common import RESULTS, options, write_result
from provenance import FOLDERS, attest, make_keys, tiny_files, watched
from whitesquare.provenance.types import BUNDLE

KINDS = ("changed", "added", "removed", "relabelled", "renamed")


def edit(root: Path) -> dict[str, set[str]]:
    """Edit five files of each folder, and return by kind the ids that are to be named."""
    done: dict[str, set[str]] = {kind: set() for kind in KINDS}
    places = sorted((root / "train").iterdir())
    files = [sorted(place.iterdir()) for place in places]  # before any comes in from the class before
    for number, place in enumerate(places):
        changed, removed, moved, renamed, *_ = files[number]
        next_class = places[(number + 1) % len(places)]
        changed.write_bytes(b"another %d" % number)
        removed.unlink()
        (place / f"added_{number}.JPEG").write_bytes(b"added %d" % number)
        moved.rename(next_class / f"from_{moved.name}")
        renamed.rename(place / f"renamed_{number}.JPEG")
        done["added"].add(f"train/{place.name}/added_{number}.JPEG")
        for kind, path in {"changed": changed, "removed": removed, "relabelled": moved, "renamed": renamed}.items():
            done[kind].add(path.relative_to(root).as_posix())
    return done


def named(found: Path) -> dict[str, set[str]]:
    """Return by kind the ids that a verification names."""
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute("SELECT kind, id FROM read_parquet(?)", [str(found)]).fetchall()
    result: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, one in rows:
        result[kind].add(one)
    return result


def measured(work: Path, count: int) -> dict[str, object]:
    """Attest, edit and verify a tree of ``count`` files."""
    with TemporaryDirectory(dir=work) as folder:
        data, changes = Path(folder) / "data", Path(folder) / "changes.parquet"
        tiny_files(data, count)
        subprocess.run(attest(data, work), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = edit(data)
        verify = [sys.executable, "-m", "whitesquare.cli", "verify", str(data), "-o", f"parquet={changes}"]
        verify += ["--bundle", str(work / "attest" / BUNDLE), "--trust", str(work / "trust")]
        row = watched([*verify, "--state", str(Path(folder) / "state.json")], code=1)
        found = named(changes)
    if found != done:
        odd = {kind: len(found[kind] ^ done[kind]) for kind in KINDS}
        raise SystemExit(f"{count} files: what was named is not what was done: {odd}")
    return {"items": count, "edits": {kind: len(ids) for kind, ids in done.items()}, **row}


def main() -> None:
    """Measure every size and write the results."""
    parser = options(__doc__, RESULTS / "verify-edits.json")
    parser.add_argument("--counts", type=int, nargs="+", default=[80_000, 1_280_000])
    parser.add_argument("--work", type=Path, help="where to put the files; default: the system's temporary folder")
    asked = parser.parse_args()
    if min(asked.counts) < 5 * FOLDERS:
        raise SystemExit(f"There must be at least {5 * FOLDERS} files: five in each of {FOLDERS} folders.")
    rows: list[dict[str, object]] = []
    with TemporaryDirectory(dir=asked.work) as folder:
        work = Path(folder)
        make_keys(work)
        for count in asked.counts:
            rows.append(measured(work, count))
            print(rows[-1], flush=True)
            write_result(asked.output, {"rows": rows}, libraries=("duckdb",))


if __name__ == "__main__":
    main()
