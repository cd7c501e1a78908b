"""The page of a scan says what was found, holds together for any input, and runs and loads nothing."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whitesquare.errors import DataError
from whitesquare.report.scan.page import render_scan
from whitesquare.report.scan.pictures import overlay, suspects, trigger_pictures
from whitesquare.report.scan.tables import classes, standing_out
from whitesquare.report.scan.text import headline, lead, next_command
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.types import ClassRow, Scan

from .chromium import Page, browser, required
from .scan_sample import (
    HOSTILE,
    alarm,
    class_rows,
    flags,
    hostile,
    noise_sheet,
    nothing_found,
    nothing_ran,
    result,
    scan,
    sheet,
    square,
)

MANY = tuple(f"class {i:03d}" for i in range(300))
TWO = result(alarms=(alarm(), alarm(3, "3", "suspicious")))
CASES: dict[str, Scan] = {
    "found": scan(TWO, sheet(), sheet(3)),
    "nothing found": scan(nothing_found()),
    "nothing ran": scan(nothing_ran()),
    "hostile": scan(hostile(), noise_sheet((3, 200, 150), name=HOSTILE)),
    "no pictures": scan(),
    "many classes": scan(result(classes=class_rows(MANY), flagged=flags(500, MANY))),
    "many alarms": scan(result(alarms=tuple(alarm(i, str(i)) for i in range(60))), sheet()),
    "no class": scan(nothing_found(classes=(), flagged=(), runs=(), seconds={}, versions={}, machine={})),
    "truth given": scan(result(fused_auroc=0.973, skipped={f"{i}.png": "damaged" for i in range(90)})),
    "dim field": scan(result(alarms=(replace(alarm(), trigger=replace(square(28, 0, opacity=0.1), kind="field")),))),
    "roaming": scan(result(alarms=(replace(alarm(), trigger=replace(square(channels=3), kind="roaming")),))),
    "untested": scan(result(alarms=(replace(alarm(), transplant=None),))),
    "large": scan(result(alarms=(replace(alarm(), trigger=square(40, 150, 224, channels=3)),))),
    "tiny": scan(result(), noise_sheet((1, 2, 2))),
    "wide": scan(result(), noise_sheet((3, 40, 900))),
}
PAGES = {name: render_scan(found) for name, found in CASES.items()}


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize("name", PAGES)
def test_every_scan_gives_a_whole_page_that_brings_everything_along(name: str) -> None:
    html = PAGES[name]
    assert html.rstrip().endswith("</html>")
    assert "<script" not in html
    assert " style=" not in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert "http://" not in html.replace("(http://evil)", "")
    assert "https://" not in html
    for tag in re.findall(r"<[a-z][^>]*>", html):
        assert not re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
    assert all(re.search(r' alt="[^"]+"', image) for image in re.findall(r"<img [^>]*>", html))
    assert len(html) < 2_000_000


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    styles = re.findall(r"<style>(.*?)</style>", PAGES["found"], re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert len(styles) == 1
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{expected}'" in PAGES["found"]


def test_the_same_scan_gives_the_same_page() -> None:
    assert render_scan(CASES["found"]) == PAGES["found"]


@pytest.mark.parametrize("name", PAGES)
def test_the_numbers_in_the_page_equal_the_file(name: str) -> None:
    if name == "hostile":
        pytest.skip("a detector's name with dots in it is no path")
    content = json.loads(scan_json(CASES[name].result))
    found = re.findall(r'data-field="([^"]+)" data-value="([^"]*)"', PAGES[name])
    assert found
    for field, value in found:
        place: Any = content
        for part in field.split("."):
            place = place[int(part)] if isinstance(place, list) else place[part]
        assert json.loads(value) == place, field


def test_the_sections_come_in_order() -> None:
    sections = re.findall(r'<section id="([^"]+)"', PAGES["found"])
    assert sections == [
        "alarm-1", "alarm-2", "not-run", "classes", "review", "detectors", "calibration", "made",
    ]  # fmt: skip
    assert re.findall(r'<section id="([^"]+)"', PAGES["nothing found"])[0] == "classes"


def test_an_alarm_shows_its_evidence() -> None:
    html = plain(PAGES["found"])
    first, second = re.findall(r'<section id="alarm-\d".*?</section>', html, re.DOTALL)
    for words in (
        "96.2 % [94.8, 97.3]", "n = 900 images", "at full strength", "on average; the worst of 199 turns 6.4 %",
        "A patch of 4 \u00d7 4 pixels, always at row 22, column 22", "a watermark", "train/00037",
        "whitesquare cleanse photos/train --scan scan.json -o cleaned/", "whitesquare explain SS01",
    ):  # fmt: skip
        assert words in first, words
    assert first.count("<img") == 3 + 1 + 3 * 12
    assert "No trigger could be reconstructed" in second
    assert "was not tested" in PAGES["untested"]
    assert "shines through: it replaces up to 10.0 %" in plain(PAGES["dim field"])


def test_what_did_not_run_is_said_with_its_reason() -> None:
    html = PAGES["found"]
    assert "it needs trusted samples; give them with --reference" in html
    assert "smaller than a block" in html
    assert "12 of the trusted samples are also in the data." in html
    assert "2 files could not be read and are not part of this scan" in plain(html)
    assert "40 more are listed" in PAGES["truth given"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result(), "A planted trigger was confirmed in class “0”"),
        (TWO, "A planted trigger was confirmed in class “0”; class “3” looks poisoned too"),
        (result(alarms=(alarm(3, "3", "suspicious"),)), "Class “3” looks poisoned, but that is not proven"),
        (
            result(alarms=tuple(alarm(i, str(i), "suspicious") for i in (3, 5))),
            "Classes “3” and “5” look poisoned, but that is not proven",
        ),
        (result(alarms=tuple(alarm(i, str(i)) for i in range(4))), "A planted trigger was confirmed in 4 classes"),
        (nothing_found(), "Nothing found by any of the 5 detectors"),
        (nothing_found(runs=result().runs), "Nothing found by the 5 detectors that ran; 2 could not run"),
        (nothing_found(runs=result().runs[:1]), "Nothing found by the one detector"),
        (nothing_ran(), "Nothing was checked: no detector ran"),
    ],
)
def test_the_headline_follows_from_the_result(found: Any, said: str) -> None:
    assert plain(headline(found)) == said


def test_what_was_not_checked_is_not_zero() -> None:
    html = plain(PAGES["nothing ran"])
    assert "no detector looked at them" in html
    assert "not checked" in html
    assert "is flagged" not in html
    figures = re.findall(r'<dd class="figure"><span>([^<]*)</span>', html)
    assert figures == ["–", "–", "0"]  # noqa: RUF001
    assert "not a certificate" in plain(PAGES["nothing found"])
    assert "none is flagged" in plain(lead(nothing_found(flagged=())))


def test_a_source_that_cannot_be_typed_is_left_open() -> None:
    assert "cleanse 'my photos; rm -rf x' --scan" in next_command(result(source="my photos; rm -rf x"))
    assert "cleanse SOURCE --scan" in next_command(result(source="a\u202eb"))


def test_standing_out_needs_company_and_distance() -> None:
    assert standing_out([1.0, 1.1, 0.9, 1.05, 9.0, None, float("nan")]) == {4}
    assert standing_out([1.0, 1.0, 9.0]) == set()
    assert standing_out([1.0] * 9) == set()
    assert standing_out([0.0] * 30 + [1.0]) == {30}
    assert standing_out([-9.0, 1.0, 1.1, 0.9, 1.05]) == set()


def test_alarmed_classes_come_first_and_marks_are_shown() -> None:
    lines = classes(result(alarms=(alarm(5, "5", "suspicious"), alarm(7, "7"))))
    assert [line.row.label for line in lines] == [7, 5, 0, 1, 2, 3, 4, 6, 8, 9]
    assert [mark.stands_out for mark in lines[2].statistics[:3]] == [True] * 3
    assert PAGES["found"].count('class="out"') == 3
    assert "280 more classes" in PAGES["many classes"]


def test_a_trigger_is_drawn_where_it_is() -> None:
    shown = trigger_pictures(square())
    assert (shown.height, shown.width, shown.opacity) == (28, 28, 1.0)
    assert shown.whole.startswith("data:image/png;base64,")
    nowhere = replace(square(), bbox=(5, 5, 5, 5), mask=((float("nan"),) * 28,) * 28)
    assert trigger_pictures(nowhere).opacity == 0


@pytest.mark.parametrize(
    "change", [{"mask": ((1.0,),)}, {"mask": ((1.0,), (1.0, 1.0))}, {"pattern": ()}, {"mask": (), "pattern": (((),),)}]
)
def test_a_trigger_that_is_no_picture_is_refused(change: Any) -> None:
    with pytest.raises(DataError, match="trigger"):
        render_scan(scan(result(alarms=(replace(alarm(), trigger=replace(square(), **change)),))))


@pytest.mark.parametrize(
    "change",
    [
        {"suspects": np.zeros((16, 1, 28, 28), np.float32)},
        {"normal": np.zeros((15, 1, 28, 28), np.uint8)},
        {"heat": np.zeros((16, 28, 27), np.float32)},
        {"normal_ids": ("a",)},
    ],
)
def test_a_sheet_that_does_not_fit_is_refused(change: Any) -> None:
    with pytest.raises(DataError, match="contact sheet of label 0"):
        render_scan(scan(result(), replace(sheet(), **change)))


def test_many_alarms_share_the_room() -> None:
    assert len(suspects(sheet(), 1)) == 12
    assert len(suspects(sheet(), 10)) == 6
    assert len(suspects(sheet(), 1000)) == 3
    assert "40 more alarms are in the table" in PAGES["many alarms"]
    assert suspects(noise_sheet((3, 200, 200)), 1)[0].suspect.startswith("data:image/jpeg;base64,")


def test_heat_is_orange_and_nothing_else_is() -> None:
    heat = np.array([[0.0, 1.0], [np.nan, 7.0]], np.float32)
    shown = overlay(np.full((2, 2, 3), 200, np.uint8), heat)
    assert len(set(shown[0, 0].tolist())) == 1
    np.testing.assert_array_equal(shown[0, 0], shown[1, 0])
    assert shown[0, 1, 0] > shown[0, 1, 1] > shown[0, 1, 2]


def test_a_class_may_have_no_name_and_no_statistic() -> None:
    html = render_scan(scan(nothing_found(classes=(ClassRow(0, "", 1, 0, 0, 0),), flagged=())))
    assert "(no name)" in html


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = required()
    with browser(program, tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.mark.long
@pytest.mark.parametrize("name", ["found", "nothing ran", "hostile", "many classes", "wide"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_a_browser_finds_it_silent_whole_and_fitting(
    page: Page, tmp_path: Path, name: str, width: int, dark: bool
) -> None:
    path = tmp_path / "scan.html"
    path.write_text(PAGES[name], encoding="utf-8")
    page.open(path, width, dark=dark)
    for _ in range(2):
        assert page.run("document.documentElement.scrollWidth") <= width
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("[...document.images].filter(one => !one.complete || one.naturalWidth === 0).length") == 0
    assert page.run("document.querySelectorAll('script').length") == 0
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [path.as_uri()]
