"""Event time: whole seconds since 1970 (UTC) inside, ``yyyy-MM-dd HH:mm:ss`` of the fund's zone on the wire."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND, MINUTE, HOUR, DAY = 1, 60, 3_600, 86_400
WIRE_LENGTH = len("yyyy-MM-dd HH:mm:ss")
DEFAULT_ZONE = "Asia/Shanghai"

_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wire times carry no zone


class Calendar:
    """Turns wire times into instants and instants into local days, for one zone.

    An instant is an ``int``: seconds since 1970-01-01 00:00:00 UTC. Raises ValueError for an unknown zone.
    """

    def __init__(self, zone: str = DEFAULT_ZONE) -> None:
        try:
            self.zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"expected an IANA time zone such as Asia/Shanghai, got {zone!r}") from error
        offsets = {self.zone.utcoffset(datetime(2000 + year, month, 1)) for year in range(50) for month in (1, 7)}  # noqa: DTZ001
        offset = offsets.pop()
        # China has had no daylight saving since 1991: one subtraction instead of a zone look-up on the hot path
        self._fixed = int(offset.total_seconds()) if offset is not None and not offsets else None

    def instant(self, wire: datetime) -> int:
        """The instant of a wire time; one without a zone is local time."""
        if wire.tzinfo is None and self._fixed is not None:
            delta = wire - _NAIVE_EPOCH
            return delta.days * DAY + delta.seconds - self._fixed
        return int((wire if wire.tzinfo else wire.replace(tzinfo=self.zone)).timestamp())

    def moment(self, instant: int) -> datetime:
        """The aware local datetime of an instant."""
        return datetime.fromtimestamp(instant, self.zone)

    def hour(self, instant: int) -> int:
        """The local hour of the day, 0 to 23."""
        return self.moment(instant).hour if self._fixed is None else (instant + self._fixed) // HOUR % 24

    def text(self, instant: int) -> str:
        """``yyyy-MM-dd HH:mm:ss`` in this zone."""
        return self.moment(instant).isoformat(" ", "seconds")[:WIRE_LENGTH]

    def day(self, instant: int) -> int:
        """The local calendar day as days since 1970-01-01."""
        if self._fixed is not None:
            return (instant + self._fixed) // DAY
        return (self.moment(instant).date() - date(1970, 1, 1)).days

    def day_start(self, day: int) -> int:
        """The first instant of a local day given as days since 1970-01-01."""
        if self._fixed is not None:
            return day * DAY - self._fixed
        return self.instant(_NAIVE_EPOCH + timedelta(days=day))

    def month(self, instant: int) -> int:
        """The local calendar month as ``year * 12 + month - 1``."""
        return _month_of_day(self.day(instant))

    def month_start(self, month: int) -> int:
        """The first instant of a month given as ``year * 12 + month - 1``."""
        return self.day_start(_first_day(month))

    def quarter(self, instant: int) -> int:
        """The local calendar quarter as ``year * 4`` plus 0 to 3."""
        return self.month(instant) // 3

    def quarter_start(self, quarter: int) -> int:
        """The first instant of a quarter given as :meth:`quarter` numbers them."""
        return self.month_start(quarter * 3)


@lru_cache(maxsize=4096)
def _first_day(month: int) -> int:
    return (date(month // 12, month % 12 + 1, 1) - date(1970, 1, 1)).days


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> int:
    at = datetime.fromtimestamp(day * DAY, UTC)
    return at.year * 12 + at.month - 1
