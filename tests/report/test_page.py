"""The page and its figures hold together for any input, escape what they are given, and are always the same bytes."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from whitesquare.errors import DataError
from whitesquare.records import ExampleView, Measurement, Row
from whitesquare.report.measurement.figures import NAMES, figure_files
from whitesquare.report.measurement.page import render_html, write_report
from whitesquare.types import Gallery

from .sample import clean_row, measurement, noise_gallery, row

HOSTILE = "<script>alert(1)</script>"
NAN = float("nan")


def small(classes: tuple[str, ...], *names: str, target: int = 0, victims: int = 2) -> Measurement:
    cas, asrs = (0.98, 0.99)[:victims], (0.95, 0.90)[:victims]
    view = ExampleView(classes[-1], 0.9, classes[target], 0.8)
    rows = tuple(row(name, classes=classes, target=target, ca=cas, asr=asrs, example=view) for name in names)
    return measurement(rows, classes=classes, target=target, example_label=classes[-1], source="photos")


def hollow(found: Row) -> Row:
    nothing = replace(found.asr, mean=NAN, sd=None, low=None, high=None)
    return replace(found, ca=nothing, asr=nothing, asr_by_class={}, confusion=(), victims=(), visibility=NAN, linf=NAN,
                   poison_rate=NAN, target_rate=NAN, estimates={})  # fmt: skip


CASES = {
    "one row, one victim": (small(("a", "b", "c"), "only", victims=1), noise_gallery((1, 28, 28), ("only",))),
    "colour": (small(("a", "b", "c"), "x", "y", target=2), noise_gallery((3, 32, 32), ("x",))),
    "wide, no poisons": (small(("a", "b"), "x"), noise_gallery((3, 20, 90))),
    "large": (small(("a", "b"), "x"), noise_gallery((3, 500, 400), ("x",))),
    "tiny": (small(("a", "b"), "x"), noise_gallery((1, 2, 2), ("x",))),
    "two channels": (small(("a", "b"), "x"), noise_gallery((2, 16, 16), ("x",))),
    "100 classes": (small(tuple(f"class number {i:03d}" for i in range(100)), "x"), noise_gallery((1, 8, 8))),
    "long names": (small(("é" * 300, "$\\frac{$", "_^{}", "漢字" * 40), "row " * 99, "x" * 300),
                   noise_gallery((1, 8, 8))),
    "odd names": (small(("", "\x00\x1f", "\u202eabc", "a.b"), "\ud800", " "), noise_gallery((1, 8, 8), (" ",))),
    "nothing measured": (measurement((hollow(clean_row()), hollow(row("a")))), noise_gallery((1, 8, 8), ("a",))),
    "only the clean row": (measurement((clean_row(example=None),)), noise_gallery((1, 28, 28))),
    "one class": (measurement((hollow(row("a")),), classes=("a",)), noise_gallery((1, 8, 8))),
    "no record": (measurement(seconds={}, cached=(), versions={}, machine={}), noise_gallery((1, 28, 28))),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_odd_input_gives_a_whole_report(name: str, tmp_path: Path) -> None:
    found, gallery = CASES[name]
    written = write_report(found, gallery, tmp_path / "deep" / "report.html", tmp_path / "figures")
    html = written[0].read_text(encoding="utf-8")
    assert html.rstrip().endswith("</html>")
    assert len(written) >= 1 + 2 * 3
    for path in written[1:]:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.long
def test_all_figures_are_written(mnist_measurement: Measurement, gallery: Gallery, tmp_path: Path) -> None:
    write_report(mnist_measurement, gallery, tmp_path / "report.html", tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html"} | {f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")}


@pytest.mark.long
def test_the_same_input_gives_the_same_bytes(mnist_measurement: Measurement, gallery: Gallery) -> None:
    first = figure_files(mnist_measurement, gallery)
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "none", "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert figure_files(mnist_measurement, gallery) == first
        assert dict(mpl.rcParams) == before
    assert render_html(mnist_measurement, gallery) == render_html(mnist_measurement, gallery, figures=first)
    assert all(b"<dc:date>" not in content for content in first.values())


def test_names_are_escaped(gallery: Gallery) -> None:
    classes = (HOSTILE, '"><img src=x onerror=alert(1)>', "'><svg/onload=alert(1)>")
    found = small(classes, HOSTILE, '" onmouseover="alert(1)')
    found = replace(found, source=HOSTILE, model=HOSTILE, trigger=HOSTILE, machine={HOSTILE: HOSTILE},
                    versions={HOSTILE: HOSTILE}, seconds={HOSTILE: 1.0})  # fmt: skip
    pictures = replace(
        gallery, originals={HOSTILE: gallery.originals["stamp"]}, poisons={HOSTILE: gallery.poisons["stamp"]},
        poison_ids={HOSTILE: (HOSTILE,) * 9},
    )  # fmt: skip
    html = render_html(found, pictures)
    for active in ("<script", "<img src=x", "<svg", "<iframe"):
        assert active not in html
    assert "&lt;script&gt;" in html
    for tag in re.findall(r"<[a-z][^>]*>", html):
        assert not re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
    for name, content in figure_files(found, pictures, kinds=("svg",)).items():
        assert b"<script" not in content, name


def test_the_policy_allows_this_style_and_nothing_else(rendered: str) -> None:
    styles = re.findall(r"<style>(.*?)</style>", rendered, re.DOTALL)
    assert len(styles) == 1
    expected = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{expected}'" in rendered
    assert " style=" not in rendered
    assert not re.search(r'(?:src|href)="(?!data:)', rendered)
    assert "http://" not in rendered
    assert "https://" not in rendered


def test_every_picture_has_an_alternative_text(rendered: str) -> None:
    images = re.findall(r"<img [^>]*>", rendered)
    assert len(images) > 40
    assert all(re.search(r' alt="[^"]+"', image) for image in images)


def test_the_sections_come_in_order(rendered: str) -> None:
    assert re.findall(r'<section id="([^"]+)"', rendered) == [
        "conclusion", "defence", "example", "results", "meaning", "accuracy-and-success", "poisons", "trigger",
        "success-by-class", "confusion", "victims", "limits", "made", "glossary",
    ]  # fmt: skip


def test_pictures_that_do_not_fit_are_refused(mnist_measurement: Measurement, gallery: Gallery) -> None:
    with pytest.raises(DataError, match="uint8"):
        render_html(mnist_measurement, replace(gallery, example=gallery.example.astype(np.float32)))
    with pytest.raises(DataError, match="one shape"):
        render_html(mnist_measurement, replace(gallery, triggered=gallery.triggered[:, :20]))
    with pytest.raises(DataError, match="pairs"):
        render_html(mnist_measurement, replace(gallery, originals={"stamp": gallery.originals["stamp"][:2]}))


def test_a_failed_report_leaves_the_old_one(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(DataError):
        write_report(measurement(target=-1), gallery, path)
    assert path.read_text() == "old"


def test_a_trigger_that_changes_nothing_is_said_so(mnist_measurement: Measurement, gallery: Gallery) -> None:
    same = replace(gallery, triggered=gallery.example)
    assert figure_files(mnist_measurement, same, names=["trigger"], kinds=["svg"])["trigger.svg"]
