"""The page in a real browser: by keyboard alone, on small and large screens, read aloud, with hostile names."""

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.patience import PATIENCE, until
from tests.report.chromium import required
from whitesquare.data import from_arrays, open_dataset
from whitesquare.data.sources.npz import write_npz
from whitesquare.scanning.types import ClassRow, Flag

from .made import OF_REVIEW, SUSPECTS, Made, made, scanned, served, served_here, written

WAIT = float(os.environ.get("WAIT", PATIENCE)) * 1000
expect.set_options(timeout=WAIT)
WIDTHS = [(1280, 900), (390, 844)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = required()
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Made:
    return made(tmp_path_factory.mktemp("found"))


class Opened:
    """A page, and everything that a clean one would not say or ask."""

    def __init__(self, browser: Browser, address: str, size=(1280, 900), scheme="light") -> None:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=size[0] < 600
        )
        context.set_default_timeout(WAIT)
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        expect(self.page.locator("#shown")).to_contain_text(re.compile("shown|like that"))

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def opened(browser, found, tmp_path) -> Iterator[tuple[Page, Path]]:
    """The page with decisions of its own."""
    log = tmp_path / "decisions.jsonl"
    with served_here(found.scan, log) as address:
        page = Opened(browser, address)
        yield page.page, log
        assert page.complaints == []
        assert all(url.startswith((address, "data:")) for url in page.requests)
        page.close()


def choose(page: Page, place: int) -> None:
    """Click a tile until it is the chosen one: while the list scrolls, tiles become those of other places."""
    tile = page.locator(f"#tile-{place}")

    def chosen() -> bool:
        tile.click()
        return page.locator("[aria-selected=true]").get_attribute("id") == f"tile-{place}"

    until(chosen, f"tile {place} to be chosen")


def choices(log: Path) -> list[str]:
    return re.findall(r'"choice":"(\w*)"', log.read_text())


def test_a_person_decides_by_keyboard_alone(opened):
    page, log = opened
    tally = page.locator("#tally")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the suspects"
    page.keyboard.press("Enter")
    expect(page.locator("#list")).to_be_focused()
    page.keyboard.press("r")
    expect(tally).to_contain_text("1 remove; 27 of 28 are open")
    page.keyboard.press("k")
    expect(tally).to_contain_text("1 keep, 1 remove")
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "u"):
        page.keyboard.press(key)
    expect(tally).to_contain_text("3 unsure")
    page.keyboard.press("z")
    expect(tally).to_contain_text("1 keep, 1 remove; 26 of 28 are open")
    for key in ("Home", "n", "l"):
        page.keyboard.press(key)
    expect(page.locator("#relabel")).to_be_visible()
    for key in ("2", "Enter"):
        page.keyboard.press(key)
    expect(tally).to_contain_text("1 keep, 1 remove, 1 relabel")
    expect(page.locator("#list")).to_be_focused()
    assert '"choice":"relabel"' in log.read_text().splitlines()[-1]
    assert '"label":"2"' in log.read_text().splitlines()[-1]
    for key in "rrrkz":
        page.keyboard.press(key)  # as fast as keys come: each is about the sample that is current then
    expect(tally).to_contain_text("1 keep, 4 remove, 1 relabel")
    page.keyboard.press("a")
    expect(page.locator("#selected")).to_contain_text(f"{SUSPECTS} selected")
    page.keyboard.press("r")
    expect(tally).to_contain_text(f"{SUSPECTS} remove; {OF_REVIEW} of 28 are open")
    page.keyboard.press("]")
    expect(page.locator("#shown")).to_contain_text(f"{OF_REVIEW} suspects")
    page.keyboard.press("/")
    expect(page.locator("[name=text]")).to_be_focused()
    page.keyboard.type("rrk")
    assert choices(log).count("remove") == 4 + SUSPECTS, "letters typed elsewhere decide nothing"
    page.keyboard.press("Enter")
    expect(page.locator("#shown")).to_contain_text("No suspect is like that")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_the_trigger_is_seen_to_act_and_a_whole_alarm_is_removed(opened):
    page, log = opened
    expect(page.locator(".examples li")).to_have_count(4)
    expect(page.locator(".examples li.turned")).to_have_count(3)
    page.locator(".examples").scroll_into_view_if_needed()
    until(
        lambda: page.evaluate("[...document.querySelectorAll('.panel img')].every(i => i.complete && i.naturalWidth)"),
        "pictures of the trigger at work",
    )
    page.get_by_role("button", name=f"Remove all {SUSPECTS}").click()
    expect(page.locator("#tally")).to_contain_text(f"{SUSPECTS} remove")
    expect(page.locator("#said")).to_contain_text("Undo takes it back")
    assert choices(log) == ["remove"] * SUSPECTS
    page.get_by_role("link", name="What to do next").click()
    expect(page.locator(".command")).to_be_in_viewport()
    expect(page.locator(".command")).to_contain_text("whitesquare cleanse ")
    page.locator("#list").focus()
    page.keyboard.press("z")
    expect(page.locator("#tally")).to_contain_text("Nothing is decided yet")
    expect(page.locator("#next")).to_be_hidden()


def test_the_pictures_of_a_sample_and_the_reason_that_goes_with_it(opened):
    page, log = opened
    choose(page, 2)
    until(
        lambda: page.evaluate("[...document.querySelectorAll('.look img')].every(i => i.complete && i.naturalWidth)"),
        "pictures of the sample",
    )
    assert page.evaluate("getComputedStyle(document.querySelector('.look img')).imageRendering") == "pixelated"
    page.get_by_label("Why").fill("it has a square")
    page.get_by_role("button", name="Keep k").click()
    expect(page.locator("#tally")).to_contain_text("1 keep")
    choose(page, 2)
    expect(page.locator("#marks")).to_contain_text("ann: keep (it has a square)")
    assert '"why":"it has a square"' in log.read_text()
    page.locator(".look").first.click()
    expect(page.locator("#large")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    choose(page, 4)
    page.locator("#tile-7").click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_contain_text("4 selected")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: f"{size[0]}px")
def test_it_fits_and_reads_aloud_without_a_violation(browser, tmp_path, found, size, scheme):
    with served_here(found.scan, tmp_path / "decisions.jsonl") as address:
        shown = Opened(browser, address, size, scheme)
        page = shown.page
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.locator("#tile-0").scroll_into_view_if_needed()
        choose(page, 0)
        page.get_by_role("button", name="Remove", exact=size[0] < 600).last.click()
        expect(page.locator("#tally")).to_contain_text("1 remove")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        # What axe is given to run is no script of the page; the policy that forbids it stays in force for the page.
        results = Axe().run(page)
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in results.response["violations"]]
        assert told == []
        tree = page.locator("body").aria_snapshot()
        assert 'heading "A planted trigger was confirmed in class “0”" [level=1]' in tree
        assert re.search(r'option "\S+, class 0, confirmed, remove"', tree)
        assert 'button "Remove all 24"' in tree
        assert shown.complaints == []
        shown.close()


@pytest.mark.long
def test_two_people_see_each_other_s_marks(browser, found, tmp_path):
    log = tmp_path / "decisions.jsonl"
    with served_here(found.scan, log) as one, served_here(found.scan, log, by="bob") as other:
        ann, bob = Opened(browser, one), Opened(browser, other)
        for person, key in ((ann, "r"), (bob, "k")):
            person.page.locator("#list").focus()
            person.page.keyboard.press(key)
        for person in (ann, bob):
            expect(person.page.locator("#tally")).to_contain_text("1 disagreed")
            expect(person.page.locator("#tile-0")).to_contain_text("disagreed: ")
            choose(person.page, 0)
            expect(person.page.locator("#marks")).to_contain_text("They disagree")
            expect(person.page.locator("#marks")).to_contain_text("bob: keep")
        ann.page.keyboard.press("k")
        expect(bob.page.locator("#tally")).to_contain_text("1 keep; 27")
        ann.close()
        bob.close()


@pytest.mark.long
def test_a_server_killed_between_two_decisions_loses_nothing(browser, found, tmp_path):
    log = tmp_path / "decisions.jsonl"
    with served(found.scan, "--decisions", log) as running:
        shown = Opened(browser, running.address)
        shown.page.locator("#list").focus()
        shown.page.keyboard.press("r")
        expect(shown.page.locator("#tally")).to_contain_text("1 remove")
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait(PATIENCE)
        shown.page.keyboard.press("k")
        expect(shown.page.locator("#wrong")).to_contain_text("start `whitesquare review` again")
        assert choices(log) == ["remove"]
        shown.close()
    with served_here(found.scan, log) as address:
        shown = Opened(browser, address)
        expect(shown.page.locator("#tally")).to_contain_text("1 remove; 27 of 28 are open")
        shown.page.locator("#list").focus()
        shown.page.keyboard.press("z")
        expect(shown.page.locator("#tally")).to_contain_text("Nothing is decided yet")
        shown.close()


@pytest.mark.long
def test_hostile_names_are_shown_and_do_nothing(browser, tmp_path):
    attack = '"><img src=x onerror=alert(1)>'
    data = tmp_path / "data"
    for name in (attack, "<b onclick=alert(2)>b", "c" * 100):
        (data / name).mkdir(parents=True)
    for i in range(40):
        Image.fromarray(np.full((28, 28), 6 * i, np.uint8)).save(
            data / attack / f"<svg onload=alert({i})>\u202egnp.png"
        )
        Image.fromarray(np.full((28, 28), 3 * i, np.uint8)).save(data / "<b onclick=alert(2)>b" / f"{i}.png")
        Image.fromarray(np.full((28, 28), 2 * i, np.uint8)).save(data / ("c" * 100) / f"{'y' * 150}{i}.png")
    bad = scanned(tmp_path, data, open_dataset(data))
    with served_here(bad.scan, by="<i>eve</i>") as address:
        for size in WIDTHS:
            shown = Opened(browser, address, size)
            page = shown.page
            page.locator("#tile-0").scroll_into_view_if_needed()
            choose(page, 0)
            expect(page.locator("#sample-id")).to_contain_text(re.compile("alert|png"))
            page.keyboard.press("l")
            page.keyboard.press("Enter")
            expect(page.locator("#tally")).to_contain_text("relabel")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            assert page.evaluate("document.querySelectorAll('svg, b[onclick], img[onerror], i').length") == 0
            assert shown.complaints == []
            shown.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Made:
    """A scan that flags 50,000 samples."""
    folder, size = tmp_path_factory.mktemp("many"), 50_200
    rng = np.random.default_rng(0)
    labels = (np.arange(size) >= 50_100).astype(np.int64)
    dataset = from_arrays(rng.integers(0, 255, (size, 8, 8)).astype(np.uint8), labels, classes=("0", "1"))
    write_npz(folder / "data.npz", dataset)
    dataset = open_dataset(folder / "data.npz")
    base = scanned(folder, folder / "data.npz", dataset).result
    flagged = tuple(Flag(dataset.ids[i], i, 0, "confirmed", "PX01", 9 - i / 10_000, 0.001) for i in range(50_000))
    rows = (ClassRow(0, "0", 50_100, 50_000, 0, 0, {}), ClassRow(1, "1", 100, 0, 0, 0, {}))
    result = replace(base, size=size, flagged=flagged, classes=rows, alarms=(replace(base.alarms[0], carriers=50_000),))
    return written(folder, folder / "data.npz", dataset, result, range(4), kept=False)


@pytest.mark.long
def test_fifty_thousand_suspects_are_scrolled_through_and_decided(browser, many):
    with served_here(many.scan) as address:
        shown = Opened(browser, address)
        page = shown.page
        expect(page.locator("#shown")).to_contain_text("50,000 suspects")
        page.locator("#list").focus()
        page.keyboard.press("End")
        expect(page.locator(".tile.current")).to_have_attribute("aria-posinset", "50000")
        expect(page.locator(".tile.current")).to_have_attribute("aria-setsize", "50000")
        assert page.locator(".tile").count() < 120
        assert len([url for url in shown.requests if "/picture/" in url]) < 400, "only pictures in sight are asked for"
        page.keyboard.press("Control+a")
        page.keyboard.press("r")
        expect(page.locator("#tally")).to_contain_text("50,000 remove; 0 of 50,000 are open")
        page.keyboard.press("z")
        expect(page.locator("#tally")).to_contain_text("Nothing is decided yet")
        assert shown.complaints == []
        shown.close()


def test_the_policy_stops_what_the_page_did_not_bring(browser, found, tmp_path):
    with served_here(found.scan, tmp_path / "d.jsonl") as address:
        shown = Opened(browser, address)
        page = shown.page
        stopped = page.evaluate(
            "() => { try { document.body.insertAdjacentHTML('beforeend', '<b>late</b>'); return false } "
            "catch (error) { return true } }"
        )
        assert stopped
        page.evaluate("() => fetch('http://127.0.0.1:9/').catch(() => 0)")
        assert any("Content Security Policy" in told for told in shown.complaints)
        shown.close()


@pytest.mark.long
def test_the_page_ends_the_review(browser, found, tmp_path):
    with served(found.scan, "--decisions", tmp_path / "d.jsonl") as running:
        shown = Opened(browser, running.address)
        shown.page.get_by_role("button", name="End the review").click()
        assert running.process.wait(PATIENCE) == 0
        assert running.process.stdout is not None
        assert "The review has ended: 28 open." in running.process.stdout.read()
        shown.close()


def test_control_c_ends_it_within_two_seconds(found, tmp_path):
    with served(found.scan, "--decisions", tmp_path / "d.jsonl") as running:
        begun = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == 2
        assert time.monotonic() - begun < 2
        assert running.process.stderr is not None
        assert "Traceback" not in running.process.stderr.read()
