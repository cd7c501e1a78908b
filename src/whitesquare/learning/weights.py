"""Reading a file of weights that may be anything: sizes are compared before content is held."""

from pathlib import Path

from whitesquare.errors import DataError

MAX_HEADER = 2**20
"""Bytes of the header of a safetensors file; those of the models here have a few thousand."""
_LENGTH = 8


def read_small(path: Path, most: int) -> bytes:
    """Read a file of at most so many bytes.

    Raises:
        DataError: it is larger, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error
    if len(content) > most:
        raise DataError(f"{path} is larger than the {most} bytes that such a file can have; check that it is the file.")
    return content


def read_weights(path: Path, size: int, name: str) -> bytes:
    """Read a safetensors file whose weights take so many bytes; what announces more, or holds more, is not read.

    Args:
        path: the file.
        size: bytes of all weights of the network that it is for.
        name: what that network is called.

    Raises:
        DataError: it is no such file.
    """
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(_LENGTH), "little")
            if header > MAX_HEADER:
                raise DataError(
                    f"{path} cannot be loaded as {name!r}: it announces a header of {header} bytes, expected at most "
                    f"{MAX_HEADER}; take the file that was written with its card."
                )
            whole = _LENGTH + header + size
            if (found := path.stat().st_size) != whole:
                raise DataError(
                    f"{path} cannot be loaded as {name!r}: found {found} bytes, expected {whole}; take the file that "
                    "was written with its card."
                )
            file.seek(0)
            content = file.read(whole + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and its permissions.") from error
    if len(content) != whole:
        raise DataError(f"{path} was changed while it was read; let nobody write to it, and try again.")
    return content
