import pytest

from whitesquare.records import Estimate, Spread
from whitesquare.report.common import formats

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9731, "97.3 %"), (0.9997, "99.97 %"), (1.0, "100 %"), (0.99999, ">99.99 %"), (0.0, "0 %"),
        (0.0011, "0.11 %"), (0.00001, "<0.01 %"), (0.05, "5.0 %"),
        (None, formats.MISSING), (NAN, formats.MISSING), (float("inf"), formats.MISSING),
    ],
)  # fmt: skip
def test_percent(value: float | None, shown: str) -> None:
    assert formats.percent(value) == shown.replace(" ", formats.SPACE)


def test_spread_and_estimate() -> None:
    three = Spread(0.987, 0.002, 0.98, 0.981, 0.990, 3, "t")
    assert formats.spread(three).replace(formats.SPACE, " ") == "98.7 % [98.1, 99.0], n = 3 victims"
    single = Spread(0.987, None, 0.987, None, None, 1, "t")
    assert formats.spread(single).replace(formats.SPACE, " ") == "98.7 %, n = 1 victim"
    found = Estimate("x", 0.9217, 0.912, 0.931, 3000, "Wilson")
    assert formats.estimate(found).replace(formats.SPACE, " ") == "92.2 % [91.2, 93.1], n = 3,000 images"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.41, "0.4 s"),
        (41.2, "41 s"),
        (59.9, "1 min 00 s"),
        (192, "3 min 12 s"),
        (3900, "1 h 05 min"),
        (NAN, formats.MISSING),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert formats.duration(seconds) == shown.replace(" ", formats.SPACE)


def test_decimal() -> None:
    assert [formats.decimal(value) for value in (0, 0.3, 0.00002, 17.333, None)] == [
        "0",
        "0.30",
        "2.0e-05",
        "17.33",
        formats.MISSING,
    ]


def test_names_are_shortened_and_harmless() -> None:
    assert formats.short("a" * 100, 10) == "aaaaaa…aaa"
    assert formats.visible("a\u202eb\x00c\nd\ud800") == "a\ufffdb c d\ufffd"
    assert formats.visible("") == formats.visible(" \t") == "(no name)"


def test_as_json_keeps_full_precision() -> None:
    assert formats.as_json(0.1 + 0.2) == "0.30000000000000004"
    assert formats.as_json(NAN) == formats.as_json(None) == "null"
    assert formats.as_json('é"') == '"é\\""'
