"""What a file is that was to be an image and cannot be decoded: empty, a pointer of Git LFS, a page of the web."""

from pathlib import Path

_LOOKED_AT = 200
"""Bytes of the file from which that is told."""
_BEGINNINGS = (
    (b"version https://git-lfs", "it is a pointer of Git LFS and not the image; fetch the images by `git lfs pull`"),
    (b"PK\x03\x04", "it is a zip file; unpack it"),
    (b"\x1f\x8b", "it is compressed by gzip; unpack it"),
    (b"%PDF", "it is a PDF; save its picture as PNG"),
)
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
"""How images begin that are read."""
_TEXTS = (
    (b"<svg", "it is SVG, a drawing; save it as PNG"),
    (b"<", "it is text, such as a web page in HTML"),
)


def fault_of(path: Path, content: bytes | None, error: Exception) -> str:
    """Say in a sentence that a file is no image, and why, as far as its first bytes tell.

    Args:
        path: of the file.
        content: of it; ``None`` if it is to be looked at there.
        error: of whoever tried to decode it.
    """
    begin = _begin(path) if content is None else content[:_LOOKED_AT]
    why = _known(begin)
    if why is None:
        why = str(error) or type(error).__name__
        if why.startswith("cannot identify image file"):
            # Pillow names an object at an address, which no two runs share.
            why = f"it begins with {begin[:8]!r}, as no image does that is read here"
            for first, name in _IMAGES.items():
                if begin.startswith(first):
                    why = f"it begins as {name} does, and is damaged: what follows is no header of one"
    mend = "" if ";" in why else "; replace or remove it"
    return f"{path} cannot be decoded as an image: {why}{mend}."


def _known(begin: bytes) -> str | None:
    if not begin:
        return "it is empty"
    for first, why in _BEGINNINGS:
        if begin.startswith(first):
            return why
    if begin[4:8] == b"ftyp":
        return "it is HEIC or AVIF, which is not read here; save it as PNG or JPEG"
    text = begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((why for first, why in _TEXTS if text.startswith(first)), None)


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except OSError:
        return b"?"
