"""The code of a training that is not ours: digests of the files it names, and the commit they belong to.

The digest of the code is the SHA-256 over :data:`HEAD` and then, for each file in the byte order of its name, the name
and the content, each after its length as 8 bytes, most significant first. A name is the path below the root: the
repository's top folder, or without a repository the folder of the first file.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import new, sha256
from pathlib import Path

from whitesquare._base.environment import child_environment
from whitesquare._base.hashing import digest_of
from whitesquare.errors import UsageError
from whitesquare.provenance.own_types import CodeRecord

HEAD = b"whitesquare own training v1\0"
"""What no digest over whitesquare's own code begins with: the one cannot be passed off as the other."""
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat")


@dataclass(frozen=True)
class OwnCode:
    """Code as it was read once.

    Attributes:
        record: what is stated of it.
        digest: SHA-256, hexadecimal, over all of it; see the module.
    """

    record: CodeRecord
    digest: str


def read_code(files: Sequence[str | Path]) -> OwnCode:
    """Read the files of a training's code; none of them is run, nor is anything that a repository names.

    Args:
        files: the script and the modules of the user's own that decide what is trained.

    Raises:
        UsageError: there is none, one cannot be read, or they do not lie in one folder.
    """
    if isinstance(files, str | Path):
        raise UsageError(
            f"The code is {str(files)!r:.120}; expected a list of files, so give code=[{str(files)!r:.120}]."
        )
    if not files:
        raise UsageError("No file of code is named; give those that decide what is trained, such as code=[__file__].")
    paths = sorted({Path(file).resolve() for file in files})
    contents = {path: _content(path) for path in paths}
    folder = Path(files[0]).resolve().parent
    top = _git(folder, "rev-parse", "--show-toplevel")
    root = Path(os.fsdecode(top)) if top else folder
    by_name = {_name(path, root): content for path, content in contents.items()}
    digest = digest_of((part for name in sorted(by_name, key=str.encode) for part in (name, by_name[name])), HEAD)
    commit = os.fsdecode(_git(root, "rev-parse", "--verify", "HEAD")) if top else ""
    dirty = bool(commit) and not all(_is_committed(root, name, commit, content) for name, content in by_name.items())
    listed = {name: sha256(content).hexdigest() for name, content in by_name.items()}
    return OwnCode(CodeRecord(commit, dirty, listed), digest)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"The code {path} cannot be read ({error}); name the files that train.") from error


def _name(path: Path, root: Path) -> str:
    try:
        name = path.relative_to(root.resolve()).as_posix()
        name.encode()
    except ValueError as error:
        raise UsageError(
            f"The code {path} does not lie in {root} by a name that is UTF-8, and one statement is about one folder; "
            "leave it out, or move it there."
        ) from error
    return name


def _is_committed(root: Path, name: str, commit: str, content: bytes) -> bool:
    """Tell whether a commit has a file with this content; compared by digest, so that no filter of git runs."""
    fields = _git(root, "ls-tree", "-z", "--full-tree", commit, "--", name).split(b"\t")[0].split()
    if len(fields) != 3 or fields[1] != b"blob":
        return False
    kind = "sha1" if len(fields[2]) == 40 else "sha256"
    found = new(kind, b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return found == fields[2].decode()


def _git(folder: Path, *arguments: str) -> bytes:
    """Ask git something that it answers from its own files, whatever the repository's settings are; empty if it fails.

    The environment's own settings for git are left out: they may name another repository.
    """
    environment = {name: value for name, value in child_environment().items() if not name.startswith("GIT_")}
    environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_LITERAL_PATHSPECS": "1", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; paths are arguments of their own
            [  # noqa: S607 - git lies elsewhere on every system
                "git",
                "-C",
                str(folder),
                *_SAFE,
                *arguments,
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout.rstrip(b"\n")
