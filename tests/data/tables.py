"""The same pictures as class folders, lists and Parquet files."""

import csv
import json
from pathlib import Path

import duckdb
import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "owl")


def pictures(folder: Path, count: int = 12, size: int = 12) -> list[tuple[str, str]]:
    """Write class folders of PNG files; return file and class of each, in the order of the folders."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(count):
        name = CLASSES[i % len(CLASSES)]
        (folder / name).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{i:03d}.png")
        rows.append((f"{name}/{i:03d}.png", name))
    return sorted(rows)


def write_csv(path: Path, rows: list[tuple[object, ...]], names: tuple[str, ...] = ("file", "label")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(
    path: Path,
    rows: list[tuple[object, ...]],
    columns: str = 'image STRUCT("bytes" BLOB, "path" VARCHAR), label BIGINT',
    names: tuple[str, ...] | None = CLASSES,
    group: int = 2048,
) -> None:
    """Write a Parquet file as Hugging Face does: an image is its bytes and its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE t ({columns})")
        if rows:
            db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        said = json.dumps({"info": {"features": features}}).replace("'", "''")
        metadata = f", KV_METADATA {{huggingface: '{said}'}}" if names else ""
        db.execute(f"COPY t TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group}{metadata})")


def as_struct(folder: Path, name: str) -> dict[str, object]:
    return {"bytes": (folder / name).read_bytes(), "path": Path(name).name}
