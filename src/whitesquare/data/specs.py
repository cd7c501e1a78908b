"""How a table of samples is named: its path, or ``csv:FILE?image=COLUMN&label=COLUMN&root=FOLDER``; tar files, too."""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from whitesquare.errors import UsageError, unknown_name

TABLES = (".csv", ".jsonl", ".parquet")
"""Suffixes of the files that can be read as tables of samples."""
TAR = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
"""Suffixes of tar files, and of those that are compressed as a whole, so that none of their members can be found."""
KEYS = ("image", "label", "root")
"""What may be given: columns (of tar files: members) of the images, or of their files' names, and of the labels; and
where the files lie."""

_PREFIXES = ("csv:", "parquet:", "tar:")


def table_file(source: str | Path) -> Path | None:
    """Return the file, or the pattern of files, of a data set that is given as a table; ``None`` for any other."""
    prefix, name, _ = _parts(source)
    path = Path(name)
    known = is_archive(name) or path.suffix.lower() in TABLES
    return path if prefix or (known and not path.is_dir()) else None


def is_archive(name: str) -> bool:
    """Tell whether a file is a tar file, compressed or not, by its name."""
    return name.lower().endswith((TAR, *PACKED))


def is_pattern(table: Path) -> bool:
    """Tell whether several files are meant: by ``*``, or, of tar files, by ``{0000..0099}``."""
    return "*" in table.name or ("{" in table.name and is_archive(table.name))


def given(source: str | Path) -> dict[str, str]:
    """Return what is given with the name of a table, by its key.

    Raises:
        UsageError: a key is not known, empty or given twice.
    """
    _, _, query = _parts(source)
    try:
        pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True) if query else []
    except ValueError as error:
        raise UsageError(f"{source}: {error}; expected csv:FILE?image=COLUMN&label=COLUMN&root=FOLDER.") from error
    found: dict[str, str] = {}
    for key, value in pairs:
        if key not in KEYS:
            raise unknown_name("key", key, KEYS)
        if not value or key in found:
            raise UsageError(f"{source}: the key {key!r} is empty or given twice; give it once.")
        found[key] = value
    return found


def full_table(source: str | Path) -> str:
    """Name a table so that the name still leads to it from another folder."""
    prefix, name, _ = _parts(source)
    known = given(source)
    if "root" in known:
        known["root"] = str(Path(known["root"]).resolve())
    return _written(prefix, Path(name).parent.resolve() / Path(name).name, known)


def moved(source: str | Path, folder: Path) -> str:
    """Return what opens a copy of a data set that was written into a folder: the folder, or the table in it."""
    if (table := table_file(source)) is None:
        return str(folder)
    known = {key: value for key, value in given(source).items() if key != "root"}
    return _written(_parts(source)[0], folder / table.name, known)


def _parts(source: str | Path) -> tuple[str, str, str]:
    text = str(source)
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            name, _, query = text.removeprefix(prefix).partition("?")
            return prefix, name, query
    return "", text, ""


def _written(prefix: str, path: Path, known: dict[str, str]) -> str:
    return f"{prefix}{path}{'?' if known else ''}{urlencode(known)}"
