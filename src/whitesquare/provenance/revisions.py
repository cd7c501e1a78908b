"""Which revision of DVC or lakeFS data are, by the files that those leave beside them; nothing is asked of a network.

A revision is stated only if the data are what it names, as far as the file says how to tell.
"""

import json
import re
from collections.abc import Iterator
from hashlib import file_digest, md5
from pathlib import Path
from typing import Any
from urllib.parse import quote

from whitesquare.errors import UsageError
from whitesquare.provenance.block_yaml import read_block
from whitesquare.provenance.own_code import read_code
from whitesquare.provenance.types import Source
from whitesquare.records import OnNote

LAKEFS = ".lakefs_ref.yaml"
_LOCK = "dvc.lock"
_LARGEST = 2**24
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_COMMIT = re.compile(r"[0-9a-f]{12,64}")
_SECRET = re.compile(r"(?<=//)[^/@]*@")
"""A user's name and password in an address, which a statement must not tell."""


def revisions_of(place: Path, on_note: OnNote) -> tuple[Source, ...]:
    """Return the revisions that the data are known by.

    Args:
        place: the folder or file of the data.
        on_note: told why a revision that is named beside the data is not stated.

    Returns:
        ``dvc:NAME.dvc?path=..&md5=..&rev=..`` (or ``dvc:dvc.lock?..``) for data that DVC tracks, with the commit of git
        if it has that file as it is, and where they were imported from; ``lakefs://REPOSITORY/COMMIT/PATH`` for a
        folder of ``lakectl local``.
    """
    place = place.resolve()
    found: list[Source] = []
    tracked = place.with_name(f"{place.name}.dvc"), place.with_name(_LOCK)
    for file, read in ((tracked[0], _tracked), (tracked[1], _locked), (place / LAKEFS, _lakefs)):
        if not file.is_file():
            continue
        try:
            if file.stat().st_size > _LARGEST:
                raise ValueError(f"it is larger than {_LARGEST} bytes")
            found += read(read_block(file.read_text(encoding="utf-8")), file, place, on_note)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, UsageError) as error:
            on_note(f"{file} names no revision that can be read ({error}); none is stated.")
    return tuple(found)


def _tracked(record: Any, file: Path, place: Path, on_note: OnNote) -> Iterator[Source]:
    out = next((one for one in record["outs"] if one["path"] == place.name), None)
    if out is None or not _is_so(out, file, place, on_note):
        return
    yield _dvc(file, out)
    for origin in record.get("deps", ()):
        address = origin["repo"]["url"] if "repo" in origin else origin["path"]
        if "://" not in address:
            continue  # a path on this machine tells nobody else anything
        whole = _SECRET.sub("", address)
        if "repo" in origin:
            whole = f"git+{whole}@{origin['repo']['rev_lock']}#{quote(origin['path'])}"
        yield Source(whole)


def _locked(record: Any, file: Path, place: Path, on_note: OnNote) -> Iterator[Source]:
    for stage in record.get("stages", {}).values():
        for out in stage.get("outs", ()):
            if out["path"] == place.name and _is_so(out, file, place, on_note):
                yield _dvc(file, out)


def _lakefs(record: Any, file: Path, place: Path, on_note: OnNote) -> Iterator[Source]:
    """Name the commit that the folder was cloned or pulled at; what was changed in it since, only lakeFS can tell."""
    address = re.fullmatch(r"lakefs://([^/]+)/([^/]+)(/.*)?", record["src"])
    if address is None or not _COMMIT.fullmatch(record["at_head"]):
        raise ValueError("it has no lakefs:// address and commit")
    yield Source(f"lakefs://{address[1]}/{record['at_head']}{address[3] or '/'}")


def _dvc(file: Path, out: dict[str, str]) -> Source:
    kept = read_code([file]).record
    commit = f"&rev={kept.commit}" if kept.commit and not kept.dirty else ""
    return Source(f"dvc:{quote(file.name)}?path={quote(out['path'])}&md5={out['md5']}{commit}")


def _is_so(out: dict[str, str], file: Path, place: Path, on_note: OnNote) -> bool:
    """Tell whether the data have the digest that DVC wrote down."""
    if not _MD5.fullmatch(out["md5"]):
        raise ValueError(f"{out['md5']!r:.60} is no MD5")
    if out.get("hash") != "md5":  # before DVC 3, line ends of texts were changed before they were hashed
        on_note(f"{file} is of DVC 2, whose digests are not compared with the data; its revision is stated as it is.")
        return True
    found = _digest(place)
    if found == out["md5"]:
        return True
    on_note(
        f"{file} names {out['md5']} and the data are {found}: they were changed since, or .dvcignore leaves files out. "
        f"Its revision is not stated; `dvc status` says more."
    )
    return False


def _digest(place: Path) -> str:
    """Hash as DVC does: of a folder, the list of its files with their digests."""
    if place.is_file():
        return _hashed(place)
    listed = [
        {"md5": _hashed(path), "relpath": path.relative_to(place).as_posix()}
        for path in place.rglob("*")
        if path.is_file()
    ]
    text = json.dumps(sorted(listed, key=lambda one: one["relpath"]), sort_keys=True)
    return f"{md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, lambda: md5(usedforsecurity=False)).hexdigest()
