"""What a data set that presents another one has from it."""

from collections.abc import Sequence

from whitesquare.types import ImageDataset, IntArray, Noted, Shape


class Presented:
    """Everything of ``base`` that whoever presents it does not say otherwise."""

    base: ImageDataset

    @property
    def kind(self) -> str:
        """Kind of ``base``."""
        return self.base.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of ``base``."""
        return self.base.classes

    @property
    def ids(self) -> Sequence[str]:
        """Sample ids of ``base``."""
        return self.base.ids

    @property
    def labels(self) -> IntArray:
        """Labels of ``base``."""
        return self.base.labels

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of every image."""
        return self.base.shape

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Return what ``base`` says of these samples."""
        return self.base.notes(positions) if isinstance(self.base, Noted) else ()
