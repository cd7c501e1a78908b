"""What is found in the headers of an image file, and how they are read."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Read = Callable[[int, int], bytes]
"""``read(offset, count)``: bytes of the file; fewer where it ends."""

NAMES = ("orientation", "profile", "gamma", "frames", "alpha")
"""What :meth:`Traits.names` tells."""
POINTER, EMPTY = "pointer", "empty"
"""What is told of files that are called as images are and hold none: what Git LFS leaves in their place, or nothing."""
MAX_PARTS = 65_536
"""Chunks or segments that are looked through; no sound file of 64 million pixels has more."""
NO_ALPHA = (0, 2)
"""Colour types of PNG of which nothing but the pixels need be looked at: grey and RGB."""
MOST = 2**20
"""Bytes of a tag that are read, or that a compressed text may become."""

_MOST_UNPACKED = 4
_UPRIGHT = frozenset({1})


@dataclass
class Traits:
    """What was found.

    Attributes:
        orientations: the values of the EXIF tag, 1 to 8, where it is there; several are a contradiction.
        elsewhere: the same of what only some viewers obey: XMP, EXIF data in a text, in another form than the
            standard's, in another place, or a second time.
        exif: number of blocks of EXIF data.
        profile: a colour profile, or another statement of the colour space than sRGB.
        coded: the colour space as ``cICP`` names it; empty if it does not.
        gamma: of PNG, in 1/100,000; ``None`` without.
        primaries: of PNG, the white point and the primaries that ``cHRM`` states; empty without.
        srgb: PNG says that it is sRGB.
        colours: entries of the palette, where there is one.
        frames: several pictures, of which a viewer shows one after the other, or one of them.
        pages: the same, where every viewer shows the first (a photo with a depth map or a preview).
        alpha: there may be transparent pixels.
        endless: more parts than are looked through, or something between them that not everybody skips.
        disputed: why programs read the file differently, to follow its name in a sentence; empty if they do not.
        unpacked: number of compressed texts that were looked into.
    """

    orientations: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    exif: int = 0
    profile: bool = False
    coded: bytes = b""
    gamma: int | None = None
    primaries: bytes = b""
    srgb: bool = False
    colours: int | None = None
    frames: bool = False
    pages: bool = False
    alpha: bool = False
    endless: bool = False
    disputed: str = ""
    unpacked: int = 0

    def names(self) -> Iterator[str]:
        """Tell which of :data:`NAMES` the file has."""
        said = (
            bool((self.orientations | self.elsewhere) - _UPRIGHT),
            self.profile or bool(self.coded or self.primaries),
            self.gamma is not None,
            self.frames or self.pages,
            self.alpha,
        )
        return (name for name, is_so in zip(NAMES, said, strict=True) if is_so)

    def dispute(self, reason: str) -> None:
        """Note why programs read the file differently; the first reason is kept."""
        self.disputed = self.disputed or reason

    def inflate(self, data: bytes) -> bytes:
        """Inflate what may be large only in so far as it stays small, and no more than a few of them."""
        self.unpacked += 1
        if self.unpacked > _MOST_UNPACKED:
            self.endless = True
            return b""
        try:
            return zlib.decompressobj().decompress(data, MOST)
        except zlib.error:
            return b""
