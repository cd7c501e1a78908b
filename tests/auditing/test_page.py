"""The page of a dossier as a real browser and a printer see it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.chromium import Page, browser, required
from tests.report.scan_sample import result
from tests.report.test_browser import BROKEN, COLLECT, WIDTH
from whitesquare.auditing.compose import dossier_json
from whitesquare.report.dossier.page import render_dossier

from .made import full_run, told

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>' + "y" * 300
ATTACKS = tuple(f"attack-number-{i}" for i in range(9))
A4 = (794, 1123)
"""Pixels of A4 at 96 to the inch; the margins are 16 and 14 mm."""
INSIDE = (A4[0] - 2 * 14 * 96 / 25.4, A4[1] - 2 * 16 * 96 / 25.4)
IMAGES = """[...document.images].map(image => {
  const box = image.getBoundingClientRect(), frame = image.closest('.chart').getBoundingClientRect();
  return [box.width, box.height, frame.height, getComputedStyle(image.closest('.chart')).breakInside];
})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = required()
    with browser(program, tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page and the JSON of a run with more attacks than one picture holds, and with hostile names."""
    folder = tmp_path_factory.mktemp("dossier")
    found = replace(result(digest="d1" * 32, source=HOSTILE, warnings=(HOSTILE,)), size=60)
    found = replace(found, alarms=tuple(replace(one, class_name=HOSTILE) for one in found.alarms))
    said = told(full_run(folder / "run", found, attacks=(*ATTACKS, HOSTILE)))
    (folder / "dossier.html").write_text(render_dossier(said), encoding="utf-8")
    (folder / "dossier.json").write_text(dossier_json(said), encoding="utf-8")
    return folder / "dossier.html"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_it_is_silent_whole_and_fits(page: Page, report: Path, width: int, dark: bool) -> None:
    page.open(report, width, dark=dark)
    assert page.run(BROKEN) == 0
    assert page.run(WIDTH) <= width
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run(WIDTH) <= width
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [report.as_uri()]


def test_no_name_becomes_markup(page: Page, report: Path) -> None:
    page.open(report, 390)
    assert page.run("document.querySelectorAll('script, [onerror]').length") == 0
    assert "<script" not in report.read_text(encoding="utf-8")


def test_every_statement_stands_there_with_what_it_rests_on_and_every_number_is_that_of_the_file(
    page: Page, report: Path
) -> None:
    page.open(report, 1280)
    said = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    shown = page.run("[...document.querySelectorAll('.statement .rests code:first-child')].map(one => one.textContent)")
    assert shown == [one["id"] for one in said["statements"]]
    numbers = page.run(COLLECT)
    assert len(numbers) > 60
    for one in numbers:
        _, statement, _, figure, _ = one["data-field"].split(".")
        assert json.loads(one["data-value"]) == said["statements"][int(statement)]["figures"][int(figure)]["value"]
    text = page.run("document.body.textContent")
    for file in said["files"]:
        assert file["sha256"] in text
    links = page.run("[...document.querySelectorAll('a')].every(one => document.querySelector(one.hash))")
    assert links is True


def test_it_prints_to_a4_and_no_picture_is_cut(page: Page, report: Path, tmp_path: Path) -> None:
    page.open(report, 1280)
    page.pdf(tmp_path / "dossier.pdf")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", (tmp_path / "dossier.pdf").read_bytes())
    assert len(boxes) > 3
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}
    page.open(report, round(INSIDE[0]), height=A4[1])
    page.send("Emulation.setEmulatedMedia", media="print")
    pictures = page.run(IMAGES)
    assert len(pictures) >= 3
    for width, height, frame, rule in pictures:
        assert width <= INSIDE[0]
        assert height <= frame <= INSIDE[1], "a picture longer than a page would be cut"
        assert rule == "avoid"
    hidden = page.run("[...document.querySelectorAll('details td')].filter(one => !one.checkVisibility()).length")
    assert hidden == 0, "what is folded on a screen is printed"
    page.send("Emulation.setEmulatedMedia", media="")
