"""UTC times as texts that sort as they follow each other: ``2026-01-31T12:00:00.000000Z``."""

from datetime import UTC, date, datetime, time, timedelta

from whitesquare.errors import UsageError

SKEW = timedelta(minutes=10)
"""By how much the clocks of two honest machines may differ."""

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"

_clock = datetime.now
"""The one clock: looked up when it is asked, so that all who imported :func:`utc_now` follow it."""


def utc_now() -> datetime:
    """Return the time."""
    return _clock(UTC)


def to_text(when: datetime) -> str:
    """Write a time that knows its zone."""
    return when.astimezone(UTC).strftime(_FORM)


def from_text(text: str) -> datetime:
    """Read what :func:`to_text` wrote.

    Raises:
        ValueError: it is written otherwise.
    """
    when = datetime.fromisoformat(text).replace(tzinfo=UTC)  # other forms of it end in another text
    if to_text(when) != text:
        raise ValueError(f"the time {text!r:.60} is not written as 2026-01-31T12:00:00.000000Z")
    return when


def is_future(text: str, now: datetime) -> bool:
    """Tell whether a time lies ahead by more than :data:`SKEW`: then somebody's clock is wrong, or was set back.

    Raises:
        ValueError: see :func:`from_text`.
    """
    return from_text(text) > now + SKEW


def parse_expiry(text: str, now: datetime) -> datetime:
    """Read what a person types: ``90d`` from now, or a day (its end, UTC) such as ``2027-01-31``.

    Raises:
        UsageError: it is neither, or lies in the past.
    """
    try:
        if text.endswith("d"):
            found = now + timedelta(days=int(text[:-1]))
        else:
            found = datetime.combine(date.fromisoformat(text), time.max, UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no time to expire at; write 90d, or a day such as 2027-01-31.") from error
    if found <= now:
        raise UsageError(f"The time to expire at, {text!r}, has passed; write 90d, or a day to come.")
    return found
