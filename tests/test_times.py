"""A time is written in one way and read in no other."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitesquare.signing.times import from_text, to_text


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_a_time_survives_its_text(when: datetime) -> None:
    assert from_text(to_text(when)) == when


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000000",
        "2026-01-31 12:00:00.000000Z",
        "2026-01-31T12:00:00.000000+00:00",
        "2026-01-31T12:00:00.000000+01:00",
        "2026-01-31T12:00:00,000000Z",
        "2026-01-31T12:00:00.000Z",
        "20260131T120000.000000Z",
        "2026-W05-6T12:00:00.000000Z",
        "2026-02-30T12:00:00.000000Z",
        "2026-01-31T24:00:00.000000Z",
        "0001-01-01T00:00:00.000000+23:59",
        " 2026-01-31T12:00:00.000000Z",
        "2026-01-31T12:00:00.000000Z\n",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message may be Python's
        from_text(text)
