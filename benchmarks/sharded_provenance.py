"""Attesting and verifying tar or Parquet shards: seconds, processor time and memory as the number of images grows.

    python benchmarks/sharded_provenance.py out/shards --counts 100000 1000000

The shards are those of ``sharded_scan.py``, which are made where they are not there. Each size is attested and verified
by the command in a process of its own; memory is what it and its workers hold together, looked at every fiftieth of a
second.
"""

import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from common import RESULTS, options, write_result
from provenance import attest, make_keys, watched
from sharded_scan import write_shards
from whitesquare.provenance.types import BUNDLE


def timed(command: Sequence[str]) -> dict[str, float]:
    """Run a command; return what :func:`provenance.watched` does, and the processor time of all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = watched(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return row | {"processor_seconds": round(used, 1)}


def main() -> None:
    """Measure every size and write the results."""
    parser = options(__doc__, RESULTS / "sharded-provenance.json")
    parser.add_argument("data", type=Path, help="folder that shards are made in, and kept")
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--forms", nargs="+", choices=("tar", "parquet"), default=["tar", "parquet"])
    parser.add_argument("--workers", type=int, nargs="*", default=[], help="also with so many --workers")
    asked = parser.parse_args()
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as folder:
        work = Path(folder)
        make_keys(work)
        for form in asked.forms:
            for count in asked.counts:
                data = asked.data / f"{form}-{count}"
                write_shards(data, count, form)
                for workers in (None, *asked.workers):
                    how = [] if workers is None else ["--workers", str(workers)]
                    verify = [sys.executable, "-m", "whitesquare.cli", "verify", str(data), *how]
                    verify += ["--bundle", str(work / "attest" / BUNDLE), "--trust", str(work / "trust")]
                    for verb, command in (("attest", [*attest(data, work), *how]), ("verify", verify)):
                        row = {"form": form, "samples": count, "verb": verb, "workers": workers or 1}
                        state = ["--state", str(work / "state.json")] if verb == "verify" else []
                        row |= timed([*command, *state])
                        rows.append(row)
                        print(row, flush=True)
                        write_result(asked.output, {"rows": rows}, libraries=("duckdb",))
                        (work / "state.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
