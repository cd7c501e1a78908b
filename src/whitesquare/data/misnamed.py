"""Names of data sets that are none, or of files that are not read, and what their owner has to do; no NumPy."""

import errno
import re
from pathlib import Path

from whitesquare.data.layouts import EMBEDDED
from whitesquare.errors import UsageError

_ADDRESS = re.compile(r"(\w[\w+.-]+)://")
_PICKLED = ", and this is a pickle or may be one, which can run code; save images and labels by numpy.savez"
_ADVICE = {
    ".npy": ", or save an array with its labels by numpy.savez",
    **dict.fromkeys((".zip", ".7z", ".rar", ".gz", ".xz", ".bz2", ".zst"), ", and unpack this one"),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".sav"), _PICKLED),
    ".tsv": ", and write this one as CSV, with commas",
    ".json": ", and write this one as JSON lines, an object with file and label on each",
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".txt"), ", and write this one as CSV with the columns file and label"),
    **dict.fromkeys((".h5", ".hdf5", ".tfrecord", ".arrow", ".feather"), ", and write this one as one of these"),
    ".beton": ", and write this one as one of these",
}
"""By the suffix of a file that is not read, what to do."""


def _is_too_long(name: str) -> bool:
    try:
        Path(name.partition("?")[0]).lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    except ValueError:  # a zero byte
        return False
    return False


def refuse_address(source: str) -> None:
    """Refuse the empty name, which would be the current folder, and what lies on another machine.

    Raises:
        UsageError: it is such.
    """
    if not source.strip():
        raise UsageError(
            "The data set has an empty name, as of a variable of the shell that is not set; give a path, '.' for the "
            f"current folder, or {EMBEDDED!r} for the embedded one."
        )
    if _is_too_long(source):
        raise UsageError(
            f"{source!r:.80} is too long for a path; give that of a data set, or, of an object, the object itself and "
            "not its text."
        )
    if (address := _ADDRESS.match(source)) and not Path(source).exists():
        where = "; `hf download --repo-type dataset --local-dir FOLDER NAME` does" * (address[1] == "hf")
        local = ", so leave file:// out" if address[1] == "file" else f", so download it and give its path{where}"
        raise UsageError(f"{source} is an address, and nothing is fetched; expected a file or folder here{local}.")


def hint_of(path: Path) -> str:
    """Say what to do with a file that is no data set, to follow a list of what is; empty where nothing is known."""
    return _ADVICE.get(path.suffix.lower(), "")


def near_name(source: str) -> str:
    """Say, of a path that does not exist, what was meant if that is plain."""
    if source.lower() == EMBEDDED:
        return f", which is written {EMBEDDED!r}"
    if source.startswith("~"):
        return " (a ~ in quotation marks is not written out by the shell)"
    return ""
