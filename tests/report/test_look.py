"""All pages look alike, and can be read: on a phone, in the dark, by who sees no colours, by who sees no pictures."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gate.test_outputs import VERDICTS
from tests.provenance.signed import make_signed
from whitesquare._base.schema import decode
from whitesquare.learning.estimates import share
from whitesquare.records import Made
from whitesquare.report.bench.page import bench_figures, render_bench
from whitesquare.report.drill.page import render_drill
from whitesquare.report.gate.page import render_gate
from whitesquare.report.measurement.page import render_html
from whitesquare.report.scan.page import render_scan
from whitesquare.scanning.types import ClassRow, DetectorRun
from whitesquare.study.bench.types import BenchResult
from whitesquare.study.drill_sentences import conclusion, smallest
from whitesquare.study.drill_types import BaseLine, DrillResult, DrillRow, DrillRun

from .chromium import Page, browser, required
from .sample import measurement, mnist_gallery
from .scan_sample import alarm, nothing_found, result, scan, sheet

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def drill() -> str:
    rows = []
    for name, found in (("stamp", 3), ("label-flip", 10)):
        for rate in (0.01, 0.05):
            run = DrillRun(0, 10, "patch", ("0",), True, "suspicious", found, 10, 0, 0, None, None, 1.0)
            recall, whole = share("recall", found, 10), share("recall", 10, 10)
            caught = int(run.caught)
            rows.append(
                DrillRow(name, rate, 10, 1, {"suspicious": 1}, caught, recall, 0.3, whole, 0.0, None, None, (run,))
            )
    least = tuple(smallest(name, [row for row in rows if row.attack == name]) for name in ("stamp", "label-flip"))
    line = BaseLine("nothing found", (), 0, 0, "Your data as it is: nothing found.")
    made = Made("2026-06-01T12:00:00.000000Z", "whitesquare drill photos/ -o drill/")
    said = conclusion(rows, least)
    return render_drill(
        DrillResult("photos", "", 900, 0, "cat", line, tuple(rows), least, (), (), 0, 1.0, {}, {}, said, made)
    )


def bench() -> str:
    file = RESULTS / "families.json"
    found = decode(BenchResult, file.read_text(encoding="utf-8"), where=file.name)
    return render_bench(found, bench_figures(found))


def verify(folder: Path) -> str:
    case = make_signed(folder)
    sorted(case.data.glob("train/cat/*.png"))[0].unlink()
    case.verify("-o", f"html={folder / 'verify.html'}", code=1)
    return (folder / "verify.html").read_text(encoding="utf-8")


def every_rule() -> str:
    """A scan of which all rules that raise alarms measured something, and others beside them."""
    names = {
        "PX01": "pixel-contrast",
        "PC01": "patch-contrast",
        "NR01": "noise-residual",
        "RC01": "residual-components",
    }
    names |= {
        "MF01": "matched-filter",
        "TI01": "trigger-inversion",
        "SS01": "spectral-signatures",
        "LI01": "label-issues",
    }
    runs = tuple(DetectorRun(name, rule, "pixel", 1.0) for rule, name in reversed(names.items()))
    rows = tuple(
        ClassRow(i, name, 5000, 0, 0, 0, dict.fromkeys(names.values(), 25.25 if i == 3 else 0.1 * i))
        for i, name in enumerate(("airplane", "automobile", "bird", "a class with a long name", "deer"))
    )
    return render_scan(scan(result(alarms=(), flagged=(), runs=runs, classes=rows, warnings=(), skipped={})))


PAGES: dict[str, Callable[[Path], str]] = {
    "scan": lambda _: render_scan(scan(result(alarms=(alarm(), alarm(3, "3", "suspicious"))), sheet(), sheet(3))),
    "scan by every rule": lambda _: every_rule(),
    "nothing found": lambda _: render_scan(scan(nothing_found())),
    "report": lambda _: render_html(measurement(), mnist_gallery()),
    "drill": lambda _: drill(),
    "bench": lambda _: bench(),
    "gate": lambda _: render_gate(VERDICTS["failed"]),
    "gate passed": lambda _: render_gate(VERDICTS["waived"]),
    "verify": verify,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(make(folder / name), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = required()
    with browser(program, tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_same_head(name: str, pages: dict[str, Path]) -> None:
    html = pages[name].read_text(encoding="utf-8")
    head = html[html.index("<header>") : html.index("</header>")]
    assert head.startswith(f'<header>\n<p class="over"><b>whitesquare {name.split()[0].replace("nothing", "scan")}</b>')
    assert head.count("<h1>") == 1 == html.count("<h1>")
    assert 'class="lead" id="verdict"' in head
    assert re.search(r'class="badge (?:good|bad|open|confirmed|suspicious|review)"', head), "the verdict in a word"
    assert "no script runs and nothing is loaded from a network" in html


@pytest.mark.parametrize("name", PAGES)
def test_a_picture_is_told_in_words_of_its_own(name: str, pages: dict[str, Path]) -> None:
    told = re.findall(r'<img [^>]*alt="([^"]*)"', pages[name].read_text(encoding="utf-8"))
    assert all(len(text) > 15 for text in told), told
    charts = re.findall(r'class="chart[^>]*><img [^>]*alt="([^"]*)"', pages[name].read_text(encoding="utf-8"))
    assert all(re.search(r"\d", text) or "outlined" in text for text in charts), "a chart is told with its numbers"


TOO_PALE = """
(() => {
  const part = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const parts = text => {
    const m = text.match(/[\\d.]+/g).map(Number);
    return {rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1};
  };
  const below = node => { for (let n = node; n; n = n.parentElement) {
    const c = parts(getComputedStyle(n).backgroundColor); if (c.a > .99) return c.rgb; } return [255, 255, 255]; };
  document.querySelectorAll('details').forEach(d => d.open = true);
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !node.getClientRects().length) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    const [a, b] = [light(parts(style.color).rgb), light(below(node))].sort((x, y) => y - x);
    const least = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700) ? 3 : 4.5;
    if ((a + .05) / (b + .05) < least) found.push(`${walk.currentNode.textContent.trim().slice(0, 40)} ${style.color}`);
  }
  return [...new Set(found)];
})()
"""
WIDE_TABLES = """[...document.querySelectorAll('table.stack')]
  .filter(t => t.scrollWidth > t.parentElement.clientWidth + 1)
  .map(t => t.parentElement.getAttribute('aria-label'))"""


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_on_a_phone_and_in_the_dark(name: str, pages: dict[str, Path], page: Page) -> None:
    for width, dark in ((1280, False), (1280, True), (390, False)):
        page.open(pages[name], width, dark=dark)
        assert page.run(TOO_PALE) == [], "text is told from what lies below it, 4.5 : 1 (WCAG AA)"
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.complaints() == []
        if width < 600:
            assert page.run(WIDE_TABLES) == []


def test_every_rule_that_raises_alarms_is_in_sight(pages: dict[str, Path], page: Page) -> None:
    page.open(pages["scan by every rule"], 1280)
    assert page.run(WIDE_TABLES) == [], "nothing of the table of classes is cut off"
    titles = page.run("[...document.querySelector('table.classes').tHead.rows[0].cells].map(c => c.textContent)")
    assert [title.partition(",")[0][-4:] for title in titles[5:]] == ["PX01", "PC01", "NR01", "RC01", "MF01", "TI01"]
    assert titles[5].endswith("from +2")
    rows = page.run("[...document.querySelector('table.classes').tBodies[0].rows].map(r => r.textContent)")
    assert [row.count("stands out") for row in rows] == [6, 0, 0, 0, 0]
    assert "a class with" in rows[0]


def test_a_long_list_takes_no_three_pages_of_paper(pages: dict[str, Path], page: Page) -> None:
    page.open(pages["scan"], 1280)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    seen = "[...document.querySelectorAll('#review tbody tr')].filter(r => r.getClientRects().length).length"
    said = "document.querySelector('#review .in-print').getClientRects().length"
    assert (page.run(seen), page.run(said)) == (100, 0)
    page.send("Emulation.setEmulatedMedia", media="print")
    try:
        assert (page.run(seen), page.run(said)) == (20, 1)
    finally:
        page.send("Emulation.setEmulatedMedia", media="")


def test_a_pale_text_would_be_seen(pages: dict[str, Path], page: Page) -> None:
    page.open(pages["gate"], 1280)
    page.run("document.querySelector('h1').style.color = '#999999'")
    assert [text for text in page.run(TOO_PALE) if "rgb(153, 153, 153)" in text]


def test_numbers_on_a_figure_are_told_from_its_colours() -> None:
    from whitesquare.report.common.style import HEAT, readable_on

    def light(colour: tuple[float, ...]) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for step in range(101):
        colour = HEAT(step / 100)
        text = {"black": 0.0, "white": 1.0}[readable_on(colour)]
        high, low = max(text, light(colour)), min(text, light(colour))
        assert (high + 0.05) / (low + 0.05) >= 4.5
