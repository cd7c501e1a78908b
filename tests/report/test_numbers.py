"""Every number on the page is the measurement's, to the last digit, and shown as its own text says."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from whitesquare._base import schema
from whitesquare.records import Measurement
from whitesquare.report.measurement.page import render_html
from whitesquare.types import Gallery

from .sample import measurement, row


class Values(HTMLParser):
    """Collect the attributes of every element that carries a ``data-value``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "data-value" in values:
            self.found.append(values)


def values(html: str) -> list[dict[str, str]]:
    parser = Values()
    parser.feed(html)
    return parser.found


def expected(content: dict[str, Any], found: dict[str, str]) -> Any:
    """Look the shown value up in the content of ``measurement.json``."""
    place: Any = content
    if "data-row" in found:
        place = next(item for item in content["rows"] if item["name"] == found["data-row"])
    if "data-victim" in found:
        place = place["victims"][int(found["data-victim"])]
    field = found["data-field"]
    if field == "confusion":
        classes = content["classes"]
        return place[field][classes.index(found["data-class"])][classes.index(found["data-answer"])]
    if field == "seconds":
        return place[field][found["data-step"]]
    if "data-class" in found:
        start, last = field.split(".")
        return place[start][found["data-class"]][last]
    if field.startswith("estimates."):
        name, last = field.removeprefix("estimates.").rsplit(".", 1)
        return place["estimates"][name][last]
    for part in field.split("."):
        place = None if place is None else place[part]
    return place


def test_every_shown_number_equals_the_measurement(mnist_measurement: Measurement, rendered: str) -> None:
    content = json.loads(schema.encode(mnist_measurement))
    found = values(rendered)
    assert len(found) > 400
    for item in found:
        assert json.loads(item["data-value"]) == expected(content, item), item


@pytest.mark.parametrize("name", ["clean", "stamp", "label-flip", "adaptive", "adaptive-white"])
def test_the_results_table_shows_every_measure(rendered: str, name: str) -> None:
    found = {item["data-field"] for item in values(rendered) if item.get("data-row") == name}
    assert found >= {
        "ca.mean", "ca.low", "ca.high", "ca.n", "asr.mean", "asr.low", "asr.high", "asr.n", "visibility", "count",
        "poison_rate", "target_rate", "labels_changed", "linf", "training_trigger", "label_consistency",
        "label_check.poisons", "label_check.clean", "example.prediction", "example.confidence",
        "example.triggered_prediction", "example.triggered_confidence", "asr_by_class.mean", "seed", "asr.value",
    }  # fmt: skip


def test_the_cell_is_as_documented(gallery: Gallery) -> None:
    html = render_html(measurement((row("adaptive", asr=(0.9731,), ca=(0.9888,)),)), gallery)
    assert '<td data-row="adaptive" data-field="asr.mean" data-value="0.9731">97.3\u00a0%' in html


def test_missing_values_are_null_and_a_dash(gallery: Gallery) -> None:
    html = render_html(measurement((row("a", consistency=None, visibility=float("nan")),)), gallery)
    found = {item["data-field"]: item["data-value"] for item in values(html)}
    assert found["label_consistency"] == found["visibility"] == found["label_check.clean"] == "null"
    assert 'data-field="label_consistency" data-value="null">\u2013<' in html


def test_time_and_cache_are_shown(rendered: str) -> None:
    assert "13\u00a0min\u00a033\u00a0s<small>taken from the cache</small>" in rendered
    assert rendered.count("taken from the cache") == 1
    for word in ("3.11.7", "7.8 GiB", "float32", "Student t over victims", "Wilson score"):
        assert word in rendered
