"""Figures of images: poisons and originals, the trigger, and one example with the networks' answers."""

from whitesquare.records import ExampleView, Measurement, Row
from whitesquare.report.common import formats, images, style
from whitesquare.report.common.drawing import Axes, Figure, shapes
from whitesquare.types import Gallery, UInt8Array

_LINES = ("original", "poisoned", "difference")


def poisons(measurement: Measurement, gallery: Gallery) -> Figure | None:
    """Draw, for each row in the gallery, some originals, their poisoned copies and the signed difference."""
    shown = [(row, found) for row in measurement.rows if (found := images.samples(row, gallery))]
    if not shown:
        return None
    with style.sheet():
        figure = style.new_figure(2.5 * len(shown))
        parts = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        for i, (axes, (row, found)) in enumerate(zip(parts, shown, strict=True)):
            _strip(axes, row, found, i + 1)
        return figure


def _strip(axes: Axes, row: Row, found: list[images.Sample], position: int) -> None:
    lines = [[sample.original for sample in found], [sample.poison for sample in found]]
    lines.append([sample.difference for sample in found])
    mosaic, centres = images.mosaic(lines)
    axes.imshow(mosaic, interpolation="none")
    style.bare(axes)
    axes.set_xticks([])
    axes.set_yticks(centres, _LINES, fontsize=9)
    axes.set_title(f"{style.label(row.name, position, 30)}: {_budget(row)}")


def _budget(row: Row) -> str:
    largest = formats.number(row.linf)
    change = "change not measured" if largest is None else f"changed by up to {formats.decimal(largest)}"
    change = "trigger only" if largest == 0 else change
    return f"{change}, labels changed" if row.labels_changed else change


def _show(axes: Axes, shown: UInt8Array) -> None:
    """Put a picture on axes whose units are its pixels, sharp in any viewer."""
    height, width = shown.shape[:2]
    axes.imshow(
        images.enlarge(shown),
        interpolation="none",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        aspect="equal",
    )
    style.frame(axes)


def trigger(measurement: Measurement, gallery: Gallery) -> Figure:
    """Draw the triggered example with the trigger outlined, and its place before and after, enlarged."""
    before, after = images.picture(gallery.example), images.picture(gallery.triggered)
    box = images.changed(gallery.example, gallery.triggered)
    with style.sheet():
        figure = style.new_figure(2.15)
        whole, without, with_ = figure.subplots(1, 3)
        _show(whole, after)
        whole.set_title("With the trigger")
        if box is None:
            whole.set_xlabel("the trigger changes nothing in this image")
            without.set_axis_off()
            with_.set_axis_off()
            return figure
        _outline(whole, box)
        near = _around(box, before.shape[0], before.shape[1])
        for axes, shown, title in (
            (without, before, "Its place, before"),
            (with_, after, "Its place, after"),
        ):
            _show(axes, shown[near.top : near.bottom, near.left : near.right])
            axes.set_title(title)
            _grid(axes, near)
        _outline(with_, images.PixelBox(*(_shifted(box, near))))
        size = f"{box.bottom - box.top}\u00a0\u00d7\u00a0{box.right - box.left} pixels"
        whole.set_xlabel(f"{size} of {before.shape[0]}\u00a0\u00d7\u00a0{before.shape[1]}, outlined", loc="left")
        return figure


def _grid(axes: Axes, near: images.PixelBox) -> None:
    """Show the single pixels of an enlarged part, if they are few enough to be counted."""
    height, width = near.bottom - near.top, near.right - near.left
    if max(height, width) <= 24:
        axes.hlines([y - 0.5 for y in range(1, height)], -0.5, width - 0.5, color=style.GREY, lw=0.5, alpha=0.6)
        axes.vlines([x - 0.5 for x in range(1, width)], -0.5, height - 0.5, color=style.GREY, lw=0.5, alpha=0.6)


def _outline(axes: Axes, box: images.PixelBox) -> None:
    corner, width, height = (box.left - 0.5, box.top - 0.5), box.right - box.left, box.bottom - box.top
    for colour, thickness in (("white", 3.6), (style.ORANGE, 1.8)):
        axes.add_patch(shapes.Rectangle(corner, width, height, fill=False, ec=colour, lw=thickness, clip_on=False))


def _around(box: images.PixelBox, height: int, width: int) -> images.PixelBox:
    """Return a square neighbourhood of the box, about four times its size, inside the image."""
    side = min(height, width, max(4 * max(box.bottom - box.top, box.right - box.left), 8))
    top = min(max(0, (box.top + box.bottom - side) // 2), height - side)
    left = min(max(0, (box.left + box.right - side) // 2), width - side)
    return images.PixelBox(top, left, top + side, left + side)


def _shifted(box: images.PixelBox, near: images.PixelBox) -> tuple[int, int, int, int]:
    top, left = max(box.top, near.top) - near.top, max(box.left, near.left) - near.left
    return top, left, min(box.bottom, near.bottom) - near.top, min(box.right, near.right) - near.left


def example(measurement: Measurement, gallery: Gallery) -> Figure:
    """Draw one test image without and with the trigger, and what the network of each row answers."""
    seen = [(i, row.name, row.example) for i, row in enumerate(measurement.rows, 1) if row.example is not None]
    with style.sheet():
        figure = style.new_figure(2.4 + 0.46 * len(seen))
        heights = (2.1, 0.3 + 0.46 * len(seen))
        parts = figure.subfigures(2 if seen else 1, 1, squeeze=False, height_ratios=heights if seen else None)[:, 0]
        plain, stamped = parts[0].subplots(1, 2)
        for axes, image, title in (
            (plain, gallery.example, f"A test image: {_class(measurement, measurement.example_label)}"),
            (stamped, gallery.triggered, "The same with the trigger"),
        ):
            _show(axes, images.picture(image))
            axes.set_title(title, loc="center")
        columns = parts[1].subplots(1, 2, sharey=True) if seen else ()
        for axes, with_trigger in zip(columns, (False, True), strict=False):
            _answers(axes, measurement, seen, with_trigger=with_trigger)
        return figure


def _class(measurement: Measurement, name: str) -> str:
    known = measurement.classes
    return style.label(name, known.index(name) if name in known else 0, 10)


def _answers(
    axes: Axes, measurement: Measurement, seen: list[tuple[int, str, ExampleView]], *, with_trigger: bool
) -> None:
    target = measurement.classes[measurement.target]
    for y, (_, _, view) in enumerate(seen):
        said = view.triggered_prediction if with_trigger else view.prediction
        sure = formats.number(view.triggered_confidence if with_trigger else view.confidence)
        colour = style.ORANGE if said == target else style.GREY
        colour = style.BLUE if said == measurement.example_label else colour
        axes.barh(y + 0.22, 1.0, height=0.14, color=style.WASH)
        axes.barh(y + 0.22, sure or 0.0, height=0.14, color=colour)
        axes.text(0, y, _class(measurement, said), va="center", weight="bold", color=colour)
        axes.text(1, y, formats.percent(sure), va="center", ha="right", color=style.MUTED, fontsize=9)
    axes.set(xlim=(0, 1), ylim=(len(seen) - 0.5, -0.5), xticks=[])
    axes.set_yticks(range(len(seen)), [style.label(name, i) for i, name, _ in seen])
    style.bare(axes)
