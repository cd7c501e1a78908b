"""Images take memory only after it is known that there is room for them."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.memory import measured
from whitesquare._base import machine
from whitesquare.data import load_image_folder, readable_part, room
from whitesquare.data.layouts import MAX_IMAGE_BYTES
from whitesquare.data.room import check_room
from whitesquare.data.sources import folder as folder_module
from whitesquare.errors import DataError


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *, whole=True):
    """A PNG file, RGB, all black; not whole, it claims that size and holds one line."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(height if whole else 1)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def files(root, contents):
    for i, content in enumerate(contents):
        path = root / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.mark.long
def test_forty_small_files_that_decode_to_gigabytes_are_refused_by_scan(tmp_path):
    files(tmp_path / "d", [png(8000, 8000)] * 40)
    for options in ((), ("--on-error", "skip")):
        done = measured(tmp_path, "scan", tmp_path / "d", "--model-free", *options, limit=8 * 2**30)
        assert done.code == 2
        assert "has 40 images of 8000x8000 pixels, which need 7.2 GiB of memory" in done.output.replace("\n", " ")
        assert done.memory < 1000


def test_what_needs_more_than_half_of_the_free_memory_is_refused(monkeypatch):
    monkeypatch.setattr(room, "available_memory", lambda: 4 * 2**30)
    check_room(60_000, (1, 28, 28), "d")
    check_room(14_000, (3, 224, 224), "d")
    with pytest.raises(DataError, match=r"^d has 15000 images of 224x224 pixels, which need 2\.1 GiB .* 2\.0 GiB each"):
        check_room(15_000, (3, 224, 224), "d")
    with pytest.raises(DataError, match="to be worked on"):
        check_room(100, (3, 1000, 1000), "d")
    monkeypatch.setattr(room, "available_memory", lambda: 0)
    check_room(60_000, (1, 28, 28), "d")  # so little is taken without asking


def test_a_folder_asks_for_room_before_it_decodes(tmp_path, monkeypatch):
    files(tmp_path / "d", [png(900, 900)] * 40)
    monkeypatch.setattr(room, "available_memory", lambda: 2**28)
    calls = []
    decode = folder_module.decode_bytes
    monkeypatch.setattr(folder_module, "decode_bytes", lambda *given: calls.append(given) or decode(*given))
    for read in (lambda dataset: dataset.images(slice(None)), readable_part):
        with pytest.raises(DataError, match="has 40 images of 900x900 pixels"):
            read(load_image_folder(tmp_path / "d"))
    assert len(calls) == 1


@pytest.mark.parametrize("size", [(4000, 4000), (7, 6)])
def test_a_file_of_another_size_is_refused_by_its_header(tmp_path, size, monkeypatch):
    files(tmp_path / "d", [png(5, 7), png(5, 7), png(*size, whole=False), png(5, 7)])
    dataset = load_image_folder(tmp_path / "d")
    with pytest.raises(DataError, match=rf"2\.png is {size[0]}x{size[1]} RGB but .*0\.png is 5x7 RGB"):
        dataset.images(slice(None))  # decoded, it would be damaged
    part, skipped = readable_part(dataset)
    assert skipped == {
        "a/2.png": f"another size or colour mode: it is {size[0]}x{size[1]} RGB, and most files are 5x7 RGB"
    }
    assert len(part.ids) == 3


@pytest.mark.long
def test_large_files_beside_small_ones_are_decoded_one_at_a_time(tmp_path):
    """Ten files that claim 64 million pixels cost little memory, and none of the twelve small ones."""
    files(tmp_path / "d", [png(8000, 8000, whole=False)] * 10 + [png(5, 7)] * 12)
    done = measured(
        tmp_path, "scan", tmp_path / "d", "--model-free", "--on-error", "skip", "-o", f"json={tmp_path / 's.json'}"
    )
    skipped = json.loads((tmp_path / "s.json").read_text())["skipped"]
    assert len(skipped) == 10, done.output
    assert all("ends before its last pixel" in reason for reason in skipped.values())
    assert done.memory < 500


def test_where_most_cannot_be_decoded_the_next_kind_is_read(tmp_path):
    files(tmp_path / "d", [png(6, 6)[:-24]] * 5 + [png(5, 7)] * 3)
    part, skipped = readable_part(load_image_folder(tmp_path / "d"))
    assert part.images(slice(None)).shape == (3, 3, 7, 5)
    assert len(skipped) == 5
    assert all("cannot be decoded" in reason for reason in skipped.values())


def test_files_that_are_left_out_are_told_to_whoever_watches(tmp_path):
    from whitesquare.data.watched import watched

    told = []
    files(tmp_path / "d", [png(5, 7), png(5, 7), png(9, 9), b"no image", png(5, 7)])
    _, skipped = readable_part(watched(load_image_folder(tmp_path / "d"), lambda i, content: told.append(i)))
    assert sorted(told) == list(range(5))
    assert len(skipped) == 2


def test_a_file_larger_than_an_image_can_be_is_not_read(tmp_path):
    (tmp_path / "d" / "a").mkdir(parents=True)
    with (tmp_path / "d" / "a" / "x.png").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    dataset = load_image_folder(tmp_path / "d")
    for read in (dataset.content, lambda i: dataset.images(slice(i, i + 1))):
        with pytest.raises(DataError, match=r"x\.png has more than the \d+ bytes"):
            read(0)


def test_turned_files_of_one_kind_are_kept_as_they_are_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(5):
        pixels = np.full((4, 6) if i < 3 else (6, 4), i, np.uint8)
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "a" / f"{i}.png", **({"exif": exif} if i == 4 else {}))
    part, skipped = readable_part(load_image_folder(tmp_path))
    assert part.images(slice(None))[:, 0, 0, 0].tolist() == [0, 1, 2, 4]
    assert skipped == {"a/3.png": "another size or colour mode: it is 4x6 grey, and most files are 6x4 grey"}


# --- how much is free -------------------------------------------------------------------------------------------

SYSTEM = {
    "/proc/meminfo": "MemTotal: 9000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\n",
    "/proc/self/cgroup": "0::/box\n",
    "/sys/fs/cgroup/box/memory.max": "1000000000\n",
    "/sys/fs/cgroup/box/memory.current": "300000000\n",
    "/sys/fs/cgroup/box/memory.stat": "anon 1\ninactive_file 50000000\n",
}


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ({}, 750_000_000),
        ({"/sys/fs/cgroup/box/memory.max": "max\n"}, 8_192_000_000),
        ({"/sys/fs/cgroup/memory.max": "5\n", "/sys/fs/cgroup/memory.current": "9"}, 0),
        (
            {
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "400000000",
                "/sys/fs/cgroup/memory/memory.usage_in_bytes": "100000000",
            },
            300_000_000,
        ),
    ],
)
def test_the_tightest_limit_counts(monkeypatch, change, free):
    system = SYSTEM | change
    monkeypatch.setattr(machine, "_lines", lambda path: system.get(path, "").splitlines())
    assert machine.available_memory() == free
