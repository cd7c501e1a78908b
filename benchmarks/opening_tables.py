"""How long tables of a million rows take to open, and how much memory: CSV, JSON lines, Parquet and tar.

    python benchmarks/opening_tables.py

Nothing is decoded, so that the images are a few bytes that are none. Each form is opened in a process of its own.
"""

import json
import tarfile
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from common import RESULTS, answer_of, options, write, write_result
from whitesquare._base.machine import peak_memory_gb
from whitesquare.data import open_dataset

FOLDERS = 100
FORMS = ("list.csv", "list.jsonl", "train-*.parquet", "members-*.tar", "written-*.tar")


def make(folder: Path, rows: int) -> None:
    """Write the files, two lists of them, two Parquet shards of as many images, and tar files of as many members."""
    for number in range(FOLDERS):
        (folder / f"{number:03d}").mkdir()
    with (folder / "list.csv").open("w") as table, (folder / "list.jsonl").open("w") as lines:
        table.write("file,label\n")
        for i in range(rows):
            name, label = f"{i % FOLDERS:03d}/{i:07d}.png", f"class-{i % 10}"
            (folder / name).touch()
            table.write(f"{name},{label}\n")
            lines.write(json.dumps({"file": name, "label": label}) + "\n")
    image = "{'bytes': (repeat('x', 300) || i)::BLOB, 'path': i || '.png'}"
    for shard in range(2):
        with duckdb.connect() as db:
            db.execute(
                f"COPY (SELECT {image} AS image, i % 10 AS label FROM range({rows // 2}) AS r(i)) "
                f"TO '{folder}/train-{shard}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 10000)"
            )
    # A million members are half as many samples: an image and its label.
    write_tar(folder / "members-0.tar", rows // 2, tarfile.USTAR_FORMAT)
    write_tar(folder / "written-0.tar", rows // 2, tarfile.PAX_FORMAT)


def write_tar(path: Path, samples: int, form: int) -> None:
    """Write a shard; as webdataset's own writer does it, every member has an extended header with its time."""
    with tarfile.open(path, "w", format=form) as tar:
        for i in range(samples):
            for name, content in ((f"{i:08d}.jpg", b"x" * 300), (f"{i:08d}.cls", b"%d" % (i % 10))):
                member = tarfile.TarInfo(name)
                member.size, member.mtime = len(content), 1.5 if form == tarfile.PAX_FORMAT else 1
                tar.addfile(member, BytesIO(content))


def one(path: str) -> dict[str, float | int | str]:
    """Open one form in this process."""
    started = time.perf_counter()
    found = open_dataset(path)
    seconds = time.perf_counter() - started
    return {
        "form": Path(path).name,
        "rows": len(found.labels),
        "seconds": round(seconds, 2),
        "peak_gb": round(peak_memory_gb() or 0, 2),
    }


def main() -> None:
    """Open every form in a process of its own and write the results."""
    parser = options(__doc__, RESULTS / "opening-tables.json")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--one", help="path: open that in this process")
    asked = parser.parse_args()
    if asked.one:
        write(asked.output, one(asked.one))
        return
    with TemporaryDirectory() as folder:
        make(Path(folder), asked.rows)
        rows = [answer_of(__file__, "--one", str(Path(folder) / form)) for form in FORMS]
    write_result(asked.output, {"rows": rows})


if __name__ == "__main__":
    main()
