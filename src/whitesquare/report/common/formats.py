"""Numbers and names as people read them, and as machines find them again."""

import json
import math
import unicodedata

from whitesquare.records import Estimate, Spread

SPACE = "\u00a0"
"""No-break space: a number and its unit stay on one line."""

MISSING = "\u2013"
"""Shown where there is no number."""


def number(value: float | None) -> float | None:
    """Return ``value``, or ``None`` where it is not a finite number."""
    return value if value is not None and math.isfinite(value) else None


def decimals(value: float) -> int:
    """Number of decimals a percentage gets: two near 0 % and 100 %, where one would hide the difference."""
    return 2 if value > 0.99 or value < 0.01 else 1


def share(value: float | None) -> str:
    """Write a share in per cent, without the sign; what is not exactly 0 or 1 is never rounded to it."""
    value = number(value)
    if value is None:
        return MISSING
    if value in (0.0, 1.0):
        return f"{value * 100:.0f}"
    shown = f"{value * 100:.{decimals(value)}f}"
    return {"0.00": "<0.01", "100.00": ">99.99" if value < 1.0 else shown}.get(shown, shown)


def percent(value: float | None) -> str:
    """Write a share as a percentage, rounded as :func:`share` does."""
    return MISSING if number(value) is None else f"{share(value)}{SPACE}%"


def bound(value: float | None, beside: float) -> str:
    """Write the end of an interval as a bare percentage with as many decimals as the value ``beside`` it."""
    value = number(value)
    return MISSING if value is None else f"{value * 100:.{decimals(beside)}f}"


def interval(value: float | None, low: float | None, high: float | None, *, sign: str = f"{SPACE}%") -> str:
    """Write a share with its interval: ``98.7 % [98.1, 99.0]``; without one, the share alone."""
    value = number(value)
    if value is None:
        return MISSING
    shown = f"{share(value)}{sign}"
    if number(low) is None or number(high) is None:
        return shown
    return f"{shown} [{bound(low, value)},{SPACE}{bound(high, value)}]"


def shares(found: Spread) -> str:
    """Write a figure over victims in per cent, for a column that says so: ``98.7 [98.1, 99.0]``."""
    return interval(found.mean, found.low, found.high, sign="")


def spread(found: Spread) -> str:
    """Write a figure over victims: ``98.7 % [98.1, 99.0], n = 3 victims``."""
    return f"{interval(found.mean, found.low, found.high)}, {plural(found.n, 'victim', sign='n = ')}"


def evidence(found: Spread) -> str:
    """Write what stands behind a figure: ``95 % interval 98.1 to 99.0, n = 3 victims``."""
    n = plural(found.n, "victim", sign="n = ")
    if number(found.low) is None or number(found.high) is None:
        return n
    return f"95{SPACE}% interval {bound(found.low, found.mean)} to {bound(found.high, found.mean)}, {n}"


def estimate(found: Estimate) -> str:
    """Write a share of images: ``92.2 % [91.2, 93.1], n = 3,000 images``."""
    return f"{interval(found.value, found.low, found.high)}, {plural(found.n, 'image', sign='n = ')}"


def p_value(value: float | None) -> str:
    """Write a p-value with two significant digits; only an exact zero is written as zero."""
    value = number(value)
    return MISSING if value is None else f"{value:.2g}"


def count(n: int) -> str:
    """Write a whole number with thousands separators."""
    return f"{n:,}"


def plural(n: int, noun: str, *, sign: str = "", ending: str = "s") -> str:
    """Write ``1 victim`` or ``3 victims``, with ``sign`` before the number."""
    return f"{sign}{count(n)}{SPACE}{noun}{'' if n == 1 else ending}"


def points(difference: float | None) -> str:
    """Write the absolute difference of two shares in percentage points."""
    difference = number(difference)
    return MISSING if difference is None else f"{abs(difference) * 100:.2f}{SPACE}points"


def decimal(value: float | None, digits: int = 2) -> str:
    """Write a plain number; a value that rounding would show as zero keeps two significant digits."""
    value = number(value)
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    return f"{value:.{digits}f}" if abs(value) >= 0.5 * 10**-digits else f"{value:.1e}"


def duration(seconds: float | None) -> str:
    """Write a wall-clock time: ``0.4 s``, ``41 s``, ``3 min 12 s``, ``1 h 05 min``."""
    value = number(seconds)
    if value is None:
        return MISSING
    if value < 9.95:
        return f"{value:.1f}{SPACE}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min{SPACE}{whole % 60:02d}{SPACE}s"
    return f"{whole // 3600}{SPACE}h{SPACE}{whole % 3600 // 60:02d}{SPACE}min"


def as_json(value: float | int | str | bool | None) -> str:
    """Write one value as ``measurement.json`` holds it: full precision, ``null`` for what is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, ensure_ascii=False)


def visible(name: str) -> str:
    """Make an untrusted name safe to read: no control, bidirectional or unpaired characters."""
    shown = "".join("\ufffd" if unicodedata.category(sign) in ("Cf", "Cs", "Cn", "Co") else sign for sign in name)
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in shown)
    return " ".join(shown.split()) or "(no name)"


def short(name: str, limit: int = 32) -> str:
    """Make an untrusted name readable and at most ``limit`` characters long, cut in the middle."""
    shown = visible(name)
    if len(shown) <= limit:
        return shown
    tail = (limit - 1) // 3
    return f"{shown[: limit - 1 - tail]}\u2026{shown[len(shown) - tail :]}"


def quoted(name: str) -> str:
    """Put a shortened name between typographic quotation marks."""
    return f"\u201c{short(name)}\u201d"


def plain(text: str) -> str:
    """Replace typography that a terminal or a log may not have: no-break spaces."""
    return text.replace(SPACE, " ")
