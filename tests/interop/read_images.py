"""Read tar and Parquet files of images with webdataset, pyarrow and datasets; run by a Python without whitesquare."""

import io
import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, load_dataset
from datasets import Image as ImageFeature
from PIL import Image
from pyarrow import parquet
from webdataset import ShardWriter, WebDataset


def write(folder: Path) -> None:
    """Write the same pictures as WebDataset and as Parquet, in two shards each."""
    rng = np.random.default_rng(2)
    pictures = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(12)]
    (folder / "tar").mkdir()
    with ShardWriter(f"{folder}/tar/train-%04d.tar", maxcount=6, verbose=0) as shards:
        for i, picture in enumerate(pictures):
            shards.write({"__key__": f"{i:06d}", "png": picture, "cls": i % 3})
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["cat", "dog", "owl"])})
    (folder / "parquet").mkdir()
    whole = Dataset.from_dict({"image": pictures, "label": [i % 3 for i in range(12)]}, features=features)
    for shard in range(2):
        name = f"train-{shard:05d}-of-00002.parquet"
        whole.shard(2, shard, contiguous=True).to_parquet(folder / "parquet" / name)


def _told(label: object, picture: object) -> list[object]:
    return [label, sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()]


def read(folder: Path) -> dict[str, object]:
    """Return what each program sees: by form, label and digest of the pixels of every sample."""
    tars = WebDataset(sorted(map(str, (folder / "tar").glob("*.tar"))), shardshuffle=False, empty_check=False)
    files = sorted((folder / "parquet").glob("*.parquet"))
    hub = load_dataset("parquet", data_files=[str(path) for path in files], split="train")
    rows = [row for path in files for row in parquet.read_table(path).to_pylist()]
    return {
        "webdataset": [_told(label, picture) for picture, label in tars.decode("rgb8").to_tuple("png", "cls")],
        "datasets": [_told(row["label"], row["image"]) for row in hub],
        "pyarrow": [_told(row["label"], Image.open(io.BytesIO(row["image"]["bytes"]))) for row in rows],
        "names": hub.features["label"].names,
    }


if __name__ == "__main__":
    place = Path(sys.argv[2])
    print(json.dumps(write(place) if sys.argv[1] == "write" else read(place)))
