"""The report as a real browser sees it: silent, self-contained, the right numbers, and no sideways scrolling."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from whitesquare._base import files, schema
from whitesquare.records import Measurement
from whitesquare.report.measurement.page import write_report
from whitesquare.types import Gallery

from .chromium import Page, browser, required
from .sample import noise_gallery
from .test_numbers import expected
from .test_page import HOSTILE, small

COLLECT = """[...document.querySelectorAll('[data-value]')].map(
  node => Object.fromEntries([...node.attributes].map(a => [a.name, a.value])))"""
BROKEN = "[...document.images].filter(image => !image.complete || image.naturalWidth === 0).length"
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = required()
    with browser(program, tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, mnist_measurement: Measurement, gallery: Gallery) -> Path:
    folder = tmp_path_factory.mktemp("report")
    files.write_text(folder / "measurement.json", schema.encode(mnist_measurement))
    write_report(mnist_measurement, gallery, folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_it_is_silent_whole_and_fits(page: Page, report: Path, width: int, dark: bool) -> None:
    page.open(report, width, dark=dark)
    assert page.run(BROKEN) == 0
    assert page.run(WIDTH) <= width
    assert page.run("document.querySelectorAll('details').forEach(d => d.open = true)") is None
    assert page.run(WIDTH) <= width
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [report.as_uri()]


def test_the_numbers_in_the_page_equal_the_file(page: Page, report: Path) -> None:
    page.open(report, 1280)
    content = json.loads((report.parent / "measurement.json").read_text(encoding="utf-8"))
    found = page.run(COLLECT)
    assert len(found) > 400
    for item in found:
        assert json.loads(item["data-value"]) == expected(content, item), item


def test_the_style_is_in_force(page: Page, report: Path) -> None:
    page.open(report, 1280)
    assert page.run("getComputedStyle(document.querySelector('.tiles')).display") == "grid"


def test_the_policy_stops_what_the_page_did_not_bring(page: Page, report: Path) -> None:
    page.open(report, 1280)
    page.run("document.body.insertAdjacentHTML('beforeend', '<b id=late style=\"color: red\">late</b>')")
    assert page.run("getComputedStyle(document.getElementById('late')).color") != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in line or "ContentSecurityPolicy" in line for line in page.complaints())


def test_hostile_and_long_names_stay_text(page: Page, tmp_path: Path) -> None:
    found = small((HOSTILE, "x" * 400, '"><img src=x onerror=alert(1)>'), HOSTILE, "y" * 400)
    write_report(found, noise_gallery((3, 32, 32), (HOSTILE, "y" * 400)), tmp_path / "report.html")
    page.open(tmp_path / "report.html", 390)
    assert page.run("document.querySelectorAll('script').length") == 0
    assert page.run("document.querySelector('td[data-row]').dataset.row") == HOSTILE
    assert page.run(BROKEN) == 0
    assert page.run(WIDTH) <= 390
    assert page.complaints() == []
