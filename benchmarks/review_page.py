"""How fast the page of ``whitesquare review`` is: 50,000 suspects in a headless Chromium, written to review.json.

``python benchmarks/review_page.py`` measures the page on made-up suspects of the embedded MNIST. With the folder of a
poisoned data set and its scan, ``python benchmarks/review_page.py run adaptive.json``, it also times a scripted person
who knows nothing but what the page says, from its address to a cleansed copy. ``--decisions`` measures only how long it
takes to start and to store a decision, three times, and how long Python looks for garbage while a scan is open.
"""

import gc
import hashlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from common import write

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.report.chromium import find
from tests.report.scan_sample import alarm, result
from tests.reviewing.made import served

from whitesquare._base.machine import machine
from whitesquare.data import load_mnist
from whitesquare.reviewing.review import open_review
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.types import ClassRow, Flag

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "review.png"
RESULT = Path(__file__).parent / "results" / "review.json"
SUSPECTS, PAINTS, DECISIONS, SECONDS, ROUNDS = 50_000, 5, 40, 4.0, 3
WORDS_A_MINUTE = 200
"""How fast the scripted person reads what is on the page before it acts."""
_PAINT = """() => new Promise(resolve => new PerformanceObserver((list, seen) => {
  for (const one of list.getEntries()) if (one.name === 'first-contentful-paint') { seen.disconnect(); resolve(one.startTime) }
}).observe({ type: 'paint', buffered: true }))"""  # noqa: E501
_FRAMES = """seconds => new Promise(resolve => {
  const begun = performance.now(), times = [];
  let last = begun;
  const step = now => {
    times.push(now - last); last = now;
    window.scrollBy(0, 240);
    if (now - begun < seconds * 1000) requestAnimationFrame(step); else resolve(times.slice(1));
  };
  requestAnimationFrame(step);
})"""


def many(folder: Path) -> Path:
    """Write a scan of the embedded MNIST that flags 50,000 of its samples."""
    dataset = load_mnist("train")
    ids, labels = dataset.ids, dataset.labels
    chosen = np.argsort(labels, kind="stable")[:SUSPECTS].tolist()
    flagged = tuple(
        Flag(ids[i], i, int(labels[i]), "confirmed" if labels[i] == 0 else "review", "PX01", 9.0 - n / SUSPECTS, 0.01)
        for n, i in enumerate(chosen)
    )
    sizes = np.bincount(labels)
    rows = tuple(ClassRow(i, name, int(sizes[i]), 0, 0, 0, {}) for i, name in enumerate(dataset.classes))
    found = replace(result(), source="mnist", flagged=flagged, classes=rows, alarms=(alarm(),), skipped={}, warnings=())
    contents = {one.id: hashlib.sha256(dataset.content(one.position)).hexdigest() for one in flagged}
    file = folder / "scan.json"
    file.write_text(scan_json(found, None, None, contents), encoding="utf-8")
    return file


def opened(browser: Browser, address: str) -> Page:
    """Open the page in a context of its own."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address, wait_until="commit")
    return page


def wait(page: Page, true: str) -> None:
    """Wait until an expression holds; the page's policy lets no text be run within it, only from without."""
    while not page.evaluate(true):
        page.wait_for_timeout(50)


def paints(browser: Browser, address: str) -> dict[str, Any]:
    """Measure the first paint, and when the first suspects can be seen and decided about."""
    first, usable = [], []
    for _ in range(PAINTS):
        begun = time.perf_counter()
        page = opened(browser, address)
        page.wait_for_selector(".tile", state="attached")
        usable.append(time.perf_counter() - begun)
        first.append(page.evaluate(_PAINT) / 1000)
        page.context.close()
    return {
        "first_paint_s": {"median": statistics.median(first), "worst": max(first), "n": PAINTS},
        "suspects_listed_s": {"median": statistics.median(usable), "worst": max(usable), "n": PAINTS},
    }


def weight(browser: Browser, address: str) -> int:
    """Return the bytes that the page asks for before a person acts, without pictures."""
    page = browser.new_context().new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: "image" not in answer.headers.get("content-type", "") and sizes.append(answer))  # type: ignore[func-returns-value, arg-type]
    page.goto(address)
    page.wait_for_selector(".tile", state="attached")
    page.wait_for_timeout(1000)
    total = sum(len(answer.body()) for answer in sizes)  # type: ignore[attr-defined]
    page.context.close()
    return total


def _computed(browsing: CDPSession) -> float:
    found = {one["name"]: one["value"] for one in browsing.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])


def scrolling(browser: Browser, address: str) -> dict[str, Any]:
    """Scroll through the list by 240 pixels a frame, and look at the frames."""
    page = opened(browser, address)
    page.select_option("[name=label]", "")
    page.wait_for_selector(".tile", state="attached")
    page.locator("#list").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    times, busy = page.evaluate(_FRAMES, SECONDS), 0.0
    page.evaluate("window.scrollTo(0, 2000)")
    page.wait_for_timeout(500)
    # What the page's own thread computes a frame: other programs of the machine change the clock, and not this.
    browsing = page.context.new_cdp_session(page)
    browsing.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _computed(browsing)
    again = page.evaluate(_FRAMES, SECONDS)
    busy = (_computed(browsing) - before) / len(again)
    page.context.close()
    return {
        "processor_ms_a_frame": 1000 * busy,
        "frames_per_second": 1000 / statistics.mean(times),
        "frame_ms": {"median": statistics.median(times), "p95": float(np.quantile(times, 0.95)), "worst": max(times)},
        "frames": len(times),
        "pixels": 240 * len(times),
    }


def decisions(browser: Browser, address: str) -> dict[str, Any]:
    """Press a key, and wait for the answer that says that the decision is on the disk."""
    page = opened(browser, address)
    page.wait_for_selector(".tile", state="attached")
    page.wait_for_timeout(500)
    page.locator("#list").focus()
    taken = []
    for _ in range(DECISIONS):
        with page.expect_response(re.compile("/decide$")) as answer:
            page.keyboard.press("u")
        timing = answer.value.request.timing
        taken.append(timing["responseStart"] - timing["requestStart"])
        page.wait_for_timeout(20)
    with page.expect_response(re.compile("/decide$"), timeout=120_000) as answer:
        page.keyboard.press("Control+a")
        page.keyboard.press("r")
    whole = answer.value
    whole.finished()
    everything = whole.request.timing["responseStart"] - whole.request.timing["requestStart"]
    count = whole.json()["count"]
    page.context.close()
    return {
        "one_stored_ms": {"median": statistics.median(taken), "worst": max(taken), "n": DECISIONS},
        "all_of_a_class": {"samples": count, "ms": everything},
    }


def garbage(scan: Path) -> dict[str, float]:
    """Measure for how long a whole search for garbage stops every thread, before and with what is done against it."""
    desk = open_review(scan, scan.with_name("garbage.jsonl"), "ann")
    took = {}
    for name in ("as_python_does", "as_the_page_does"):
        begun = time.perf_counter()
        gc.collect()
        took[name] = 1000 * (time.perf_counter() - begun)
        gc.freeze()
    assert desk.rows.flags
    gc.unfreeze()
    return took


def only_decisions(browser: Browser, folder: Path) -> None:
    """Measure how long a start and a decision take, and write it beside what else is known."""
    scan, rounds = many(folder), []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        with served(scan, "--decisions", folder / f"{number}.jsonl") as running:
            started = time.perf_counter() - begun
            found = decisions(browser, running.address)
            times = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
            computed = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
        rounds.append({"started_s": started, "processor_s": computed} | found)
    load = round(os.getloadavg()[0], 1)
    found = {"rounds": rounds, "garbage_ms": garbage(scan), "machine": machine() | {"load": f"{load}"}}
    print(json.dumps(found, indent=1))
    write(RESULT, json.loads(RESULT.read_text()) | {"decisions": found})


def person(browser: Browser, data: str, scan: Path, folder: Path) -> dict[str, Any]:
    """Find and remove the poison as somebody would who reads the page from its top and does what it says."""
    from whitesquare.jobs.runs import GROUND_TRUTH, read_truth

    log, copy = folder / "person.jsonl", folder / "cleaned"
    with served(scan, "--decisions", log, "--data", data) as running:
        begun = time.perf_counter()
        page = opened(browser, running.address)
        page.wait_for_selector(".panel:not([hidden]) .strong")
        read = len(page.locator("header").inner_text().split())
        read += len(page.locator(".panel:not([hidden])").inner_text().split())
        time.sleep(60 * read / WORDS_A_MINUTE)
        button = page.locator(".panel:not([hidden]) .buttons button").filter(has_text="Remove all")
        button.click()
        wait(page, "document.getElementById('tally').textContent.includes('remove')")
        page.get_by_role("link", name="What to do next").click()
        end = page.locator(".end")
        time.sleep(60 * len(end.inner_text().split()) / WORDS_A_MINUTE)
        command = page.locator(".command").inner_text().strip()
        page.get_by_role("button", name="End the review").click()
        running.process.wait(60)
    decided = time.perf_counter() - begun
    words = [sys.executable, "-m", "whitesquare.cli", *command.split()[1:]]
    words[words.index("cleaned/")] = str(copy)
    subprocess.run(words, check=True, capture_output=True)
    took = time.perf_counter() - begun
    truth = set(read_truth(Path(data) / GROUND_TRUTH).ids)
    gone = {one["id"] for one in json.loads((copy / "removed.json").read_text())["removed"]}
    return {
        "words_read": read,
        "words_a_minute": WORDS_A_MINUTE,
        "decided_s": decided,
        "with_cleanse_s": took,
        "poisons": len(truth),
        "poisons_removed": len(truth & gone),
        "clean_removed": len(gone - truth),
        "command": re.sub(r"\S*/(?=\S)", "", command),
    }


def picture(browser: Browser, data: str, scan: Path, folder: Path) -> None:
    """Take the picture of the README: the page from its top to the first suspects."""
    with served(scan, "--decisions", folder / "pictured.jsonl", "--data", data) as running:
        page = browser.new_page(viewport={"width": 1280, "height": 1420}, color_scheme="light")
        page.goto(running.address)
        page.wait_for_selector(".tile")
        wait(page, "[...document.images].filter(i => i.src && i.offsetParent).every(i => i.naturalWidth)")
        page.wait_for_timeout(2000)
        shot = io.BytesIO(page.screenshot())
        page.close()
    Image.open(shot).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


def main() -> None:
    """Measure, and add to what else is known of reviews."""
    program = find() or sys.exit("No Chromium was found; install it.")
    found: dict[str, Any] = {"suspects": SUSPECTS}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        folder = Path(name)
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        if "--decisions" in sys.argv:
            only_decisions(browser, folder)
            return
        begun = time.perf_counter()
        with served(many(folder)) as running:
            found["started_s"] = time.perf_counter() - begun
            found["browser"] = f"Chromium {browser.version}, headless"
            found["page_bytes"] = weight(browser, running.address)
            found |= paints(browser, running.address)
            found["scrolling"] = scrolling(browser, running.address)
            found |= decisions(browser, running.address)
        print(json.dumps(found, indent=1))
        if len(sys.argv) > 2:
            picture(browser, sys.argv[1], Path(sys.argv[2]), folder)
            found["person"] = person(browser, sys.argv[1], Path(sys.argv[2]), folder)
        browser.close()
    known = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    load = round(os.getloadavg()[1], 1)
    write(RESULT, known | {"page": found | {"machine": machine() | {"load": f"{load} on average over five minutes"}}})
    print(json.dumps(found.get("person"), indent=1))


if __name__ == "__main__":
    main()
