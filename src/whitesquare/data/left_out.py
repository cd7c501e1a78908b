"""Files in class folders that are not read, and may be images that other programs train on; no NumPy."""

from collections import Counter
from dataclasses import dataclass, field

from whitesquare.data.layouts import is_image

_NO_IMAGES = frozenset(
    {
        "cfg",
        "csv",
        "db",
        "doc",
        "docx",
        "htm",
        "html",
        "ini",
        "json",
        "jsonl",
        "lock",
        "log",
        "md",
        "pdf",
        "py",
        "rst",
        "sh",
        "toml",
        "tsv",
        "txt",
        "url",
        "xls",
        "xlsx",
        "xml",
        "yaml",
        "yml",
    }
)
"""What files end with, in lower case, that nobody takes for images."""
_NAMES = frozenset({"readme", "license", "licence", "notice", "copying", "makefile", "sha256sums", "md5sums"})
_COPY = "._"
"""Begins what macOS writes beside files of other systems, under their names."""
_FEW = 5


@dataclass
class LeftOut:
    """What was passed over while class folders were listed.

    Attributes:
        kinds: how many files end with what.
        hidden: image files, and folders, whose names begin with a dot.
        first: one of them.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    first: str = ""

    def pass_over(self, name: str, place: str) -> None:
        """Count a file that is no sample by its name.

        Args:
            name: of the file.
            place: the class it lies in, for the one that is named.
        """
        stem, dot, suffix = name.rpartition(".")
        if name.startswith("."):
            if name.startswith(_COPY) or not is_image(name.lstrip(".")):
                return
            self.hidden += 1
        elif suffix.lower() in _NO_IMAGES or name.lower() in _NAMES:
            return
        else:
            self.kinds[f".{suffix.lower()}" if dot and stem else "without a suffix"] += 1
        self.first = self.first or f"{place}/{name}"

    @property
    def told(self) -> tuple[str, ...]:
        """Say how many files are not read, and what they end with."""
        if not self.first:
            return ()
        kinds = [f"{count:,} {kind}" for kind, count in self.kinds.most_common(_FEW)]
        kinds += ["others"] * (len(self.kinds) > _FEW) + [f"{self.hidden:,} hidden"] * (self.hidden > 0)
        count = sum(self.kinds.values()) + self.hidden
        return (
            f"{count:,} file{'s' * (count != 1)} in class folders {'is' if count == 1 else 'are'} not read "
            f"({', '.join(kinds)}; such as {self.first!r:.120}), and other programs may train on "
            f"{'it' if count == 1 else 'them'}: give images the suffix of their format, and move the rest away.",
        )
