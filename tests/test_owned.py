"""The cache believes nothing that somebody else can have put there, however well its digest fits."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from whitesquare._base.cache import Cache

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are those of POSIX")
OURS, FORGED = np.arange(5), np.arange(5) + 100
PLACES = ("folder", "kind", "file")


def asked(cache):
    return cache.arrays("poison", {"seed": 0}, lambda: {"x": OURS})["x"]


@pytest.fixture
def forged(tmp_path):
    """A cache whose one result is another than would be computed, with a digest that fits; and its places."""
    folder = tmp_path / "cache"
    Cache(folder).arrays("poison", {"seed": 0}, lambda: {"x": FORGED})
    (path,) = folder.rglob("*.safetensors")
    assert np.array_equal(asked(Cache(folder)), FORGED)
    return dict(zip(PLACES, (folder, path.parent, path), strict=True))


def not_believed(places, caplog, *said):
    """Whether the result is computed, and one sentence says why."""
    for cache in (Cache(places["folder"]), Cache(places["folder"])):
        assert np.array_equal(asked(cache), OURS)
        assert cache.hits == []
    about = [text for text in caplog.messages if "is not believed, and computed anew" in text]
    assert len(about) == 1
    assert all(part in about[0] for part in said), about


def test_folders_are_made_for_their_user_alone(tmp_path):
    before = os.umask(0)
    try:
        asked(Cache(tmp_path / "a" / "cache"))
    finally:
        os.umask(before)
    made = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "cache").rglob("*")}
    assert sorted(made.values()) == [0o600, 0o700]
    assert stat.S_IMODE((tmp_path / "a" / "cache").stat().st_mode) == 0o700


@pytest.mark.parametrize("place", PLACES[:2])
@pytest.mark.parametrize("bits", [0o020, 0o002, 0o022])
def test_a_folder_others_can_write_to_is_not_used(forged, place, bits, caplog):
    before = sorted(forged["folder"].rglob("*"))
    content = forged["file"].read_bytes()
    forged[place].chmod(0o755 | bits)
    not_believed(forged, caplog, str(forged[place]), "can be written by others", f"{0o755 | bits:04o}", "chmod go-w")
    assert sorted(forged["folder"].rglob("*")) == before
    assert forged["file"].read_bytes() == content
    assert any("Nothing is kept in the cache" in text for text in caplog.messages)
    forged[place].chmod(0o755)
    assert np.array_equal(asked(Cache(forged["folder"])), FORGED)


@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_file_others_can_write_to_is_replaced(forged, bits, caplog):
    forged["file"].chmod(0o644 | bits)
    assert np.array_equal(asked(Cache(forged["folder"])), OURS)
    assert "can be written by others" in caplog.text
    found = Cache(forged["folder"])
    assert np.array_equal(asked(found), OURS)
    assert found.hits == ["poison"]
    assert stat.S_IMODE(forged["file"].stat().st_mode) == 0o600


@pytest.mark.parametrize("place", PLACES[:2])
def test_a_link_in_the_place_of_a_folder_is_not_followed(forged, place, tmp_path, caplog):
    forged[place].rename(tmp_path / "elsewhere")
    forged[place].symlink_to(tmp_path / "elsewhere")
    not_believed(forged, caplog, str(forged[place]), "symbolic link", "real folder")


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
def test_what_lies_in_the_place_of_a_file_is_not_read_and_gives_way(forged, kind, tmp_path, caplog):
    path = forged["file"]
    path.rename(tmp_path / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    assert np.array_equal(asked(Cache(forged["folder"])), OURS)
    assert ("is no file" if kind == "pipe" else "symbolic link") in caplog.text
    assert path.is_file()
    assert not path.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cache", "elsewhere"]


def test_nothing_of_another_user_is_believed(forged, monkeypatch, caplog):
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    not_believed(forged, caplog, f"belongs to user {own} and this is user {own + 1}", "of your own")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_asked_for_its_owner(forged, place, caplog):
    os.chown(forged[place], 12345, -1)
    assert np.array_equal(asked(Cache(forged["folder"])), OURS)
    assert f"{forged[place]} belongs to user 12345" in caplog.text


def test_a_cache_of_an_older_version_that_only_others_can_read_is_used(forged):
    for place, mode in zip(PLACES, (0o755, 0o755, 0o644), strict=True):
        Path(forged[place]).chmod(mode)
    assert np.array_equal(asked(Cache(forged["folder"])), FORGED)
