"""A digest of what is to be seen, whichever file format holds it: it tells a harmless new encoding from a change.

Two decoders may decode a JPEG otherwise, so it explains a difference and never decides about one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

from whitesquare.data.layouts import is_image
from whitesquare.errors import DataError

_DOMAIN = b"whitesquare-pixels/v1\0"
_LARGE = 4_000_000
"""Pixels of an image that is decoded while no other such image is: it takes up to ten bytes of memory for each."""
_MODES = {1: b"L", 3: b"RGB", 4: b"RGBA"}


def pixel_digest(data: bytes, name: str, lock: int | None = None) -> bytes | None:
    """Return the digest of the pixels of an image file; needs NumPy and Pillow.

    Args:
        data: content of the file.
        name: its name or path, whose end says whether it is an image.
        lock: file descriptor of a file that all processes share which decode at the same time, so that large images
            are decoded one after the other.

    Returns:
        32 bytes; ``None`` for what is no image by its name, or cannot be decoded.
    """
    from whitesquare.data.decode import decode_bytes

    if not is_image(name.rpartition("/")[2]):
        return None
    with ExitStack() as turn:

        def wait(shape: tuple[int, int, int]) -> None:
            if lock is not None and shape[1] * shape[2] > _LARGE:
                turn.enter_context(_alone(lock))

        try:
            pixels = decode_bytes(data, Path(name), wait).pixels
        except DataError:
            return None
        return digest_of_pixels(pixels.shape, pixels.tobytes())


@contextmanager
def _alone(lock: int) -> Iterator[None]:
    """Hold a lock that belongs to a process, not to a file descriptor."""
    import fcntl

    fcntl.lockf(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(lock, fcntl.LOCK_UN)


def digest_of_pixels(shape: tuple[int, ...], pixels: bytes) -> bytes:
    """Return the digest of one image, 32 bytes; mode and shape are part of it.

    Args:
        shape: ``(C, H, W)``, C = 1, 3 or 4.
        pixels: 8 bits each, channel by channel, row by row.
    """
    head = b"".join(size.to_bytes(8, "big") for size in shape)
    return sha256(_DOMAIN + _MODES[shape[0]] + b"\0" + head + pixels).digest()
