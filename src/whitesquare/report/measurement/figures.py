"""All figures of the report, as files by name."""

from collections.abc import Callable, Iterable

from whitesquare.records import Measurement
from whitesquare.report.common import images, style
from whitesquare.report.common.drawing import Figure
from whitesquare.report.measurement import charts, pictures, verdicts
from whitesquare.types import Gallery

_FIGURES: dict[str, Callable[[Measurement, Gallery], Figure | None]] = {
    "accuracy-and-success": lambda measurement, _: charts.accuracy_and_success(measurement),
    "success-by-class": lambda measurement, _: charts.success_by_class(measurement),
    "confusion": lambda measurement, _: charts.confusion(measurement),
    "poisons": pictures.poisons,
    "trigger": pictures.trigger,
    "example": pictures.example,
}

NAMES = tuple(_FIGURES)
"""Names of the figures, without the ending."""


def figure_files(
    measurement: Measurement,
    gallery: Gallery,
    *,
    names: Iterable[str] = NAMES,
    kinds: Iterable[str] = ("svg", "png"),
) -> dict[str, bytes]:
    """Draw the figures and encode them.

    Args:
        measurement: the numbers.
        gallery: the pictures.
        names: which figures, of :data:`NAMES`.
        kinds: which formats, of ``"svg"`` and ``"png"``.

    Returns:
        The content of each file by its name, such as ``"confusion.svg"``. A figure with nothing to show (no
        poisons in the gallery, for example) is left out. The same input gives the same bytes.

    Raises:
        DataError: if the pictures or the numbers do not fit together.
        NothingToDoError: if the measurement has no rows.
    """
    verdicts.check(measurement)
    images.check(gallery)
    wanted = list(kinds)
    files: dict[str, bytes] = {}
    for name in names:
        figure = _FIGURES[name](measurement, gallery)
        if figure is not None:
            files.update({f"{name}.{kind}": style.save(figure, kind) for kind in wanted})
    return files
