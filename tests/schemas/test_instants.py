from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.instants import DAY, Calendar

ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "UTC"])
INSTANTS = st.integers(min_value=946_684_800, max_value=4_102_444_799)


@given(ZONES, INSTANTS)
def test_a_day_begins_with_its_first_instant(zone: str, instant: int) -> None:
    calendar = Calendar(zone)
    day = calendar.day(instant)
    assert calendar.day_start(day) <= instant < calendar.day_start(day + 1)
    assert calendar.text(calendar.day_start(day)).endswith("00:00:00")


@given(ZONES, INSTANTS)
def test_a_month_begins_with_its_first_instant(zone: str, instant: int) -> None:
    calendar = Calendar(zone)
    month = calendar.month(instant)
    assert calendar.month_start(month) <= instant < calendar.month_start(month + 1)
    assert calendar.text(calendar.month_start(month)).endswith("-01 00:00:00")
    assert 28 * DAY - 3600 <= calendar.month_start(month + 1) - calendar.month_start(month) <= 31 * DAY + 3600


@given(INSTANTS)
def test_text_and_instant_are_inverse_where_no_hour_is_repeated(instant: int) -> None:
    calendar = Calendar("Asia/Shanghai")
    assert calendar.instant(datetime.fromisoformat(calendar.text(instant))) == instant


def test_an_unknown_zone_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        Calendar("Mars/Olympus")
