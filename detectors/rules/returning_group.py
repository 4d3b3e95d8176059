"""The same cards coming back together for the same drug."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import weigh
from detectors.pace import SLOT, Pace, weeks
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import PHARMACY
from schemas.instants import DAY, Calendar

CERTAINTY: Final = 0.9
"""The score where the fewest come back for the first time: a family may share a disease, hardly the minute."""


class Return(NamedTuple):
    """A group that came back: who is here of it now, on which earlier days, and the sales of all these times."""

    persons: set[str]
    days: list[int]
    overlap: int
    members: list[Sale]


class ReturningGroup(Rule[Sale]):
    """Looks for cards of one watched generic that meet at a pharmacy within minutes, as they did on an earlier day.

    Some may be missing and others new: what counts is how many of those here now were together before. Once is coincidence or a
    family; a group of four, or one that comes for the third time, is a ring. Source: domain.md 3.4 (card clusters: groups and
    sub-groups of persons; thresholds not public) and 3.1 (organising others to buy).
    """

    detector = "agent_buying.returning_group"
    subject = "institution"
    usual_slot = SLOT

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self.near = self.within = self._together = setting.seconds("together")
        self.fewest = self._limit = setting.whole("limit")
        self._certain_persons = setting.whole("certain_persons")
        self._certain_times = setting.whole("certain_times")
        self._chance = 1 / setting.number("chance")
        history = weeks(setting.seconds("history"))
        self._pace = Pace(calendar, history)
        # what lay together at the beginning of a window is held against the weeks before that
        self.usual_slots = history + self.width // (SLOT * DAY) + 2

    def usual_keys(self, entry: Sale) -> Sequence[str]:
        """The watched generics sold: some dozens of keys."""
        return entry.items if entry.flags & PHARMACY else ()

    def concerns(self, care: int) -> bool:
        """Pharmacies."""
        return bool(care & PHARMACY)

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """Generics of which enough was sold within minutes, and some before."""
        entries, limit = ledger.entries, self._limit
        first = index + 1 - limit
        point = entries[index]
        if first < 0 or entries[first].at <= point.at - self._together or not point.flags & PHARMACY:
            return ()
        return [item for item in point.items if self._may_return(ledger.of_item(item, point))]

    def _may_return(self, sales: list[Sale]) -> bool:
        now = sales[-1].at - self._together
        if len(sales) < 2 * self._limit or sales[-self._limit].at <= now:
            return False
        here = {sale.person_id for sale in sales if sale.at > now}
        before = {sale.person_id for sale in sales if sale.at <= now}
        return len(here & before) >= self._limit

    def claims(self, ledger: Ledger[Sale], index: int) -> bool:
        """What stands in a gathering."""
        entry = ledger.entries[index]
        if not entry.flags & PHARMACY:
            return False
        for item in entry.items:
            around = [
                sale
                for sale in ledger.of_item(item, ledger.entries[-1])
                if abs(sale.at - entry.at) < self._together and sale.flags & PHARMACY
            ]
            if any(entry in group for group in self._gatherings(ledger, item, around)):
                return True
        return False

    def _gatherings(self, ledger: Ledger[Sale], item: str, sales: list[Sale]) -> Iterator[list[Sale]]:
        """The sales of a generic that lie together, up to each of them, where these are enough persons and more than usual."""
        first = 0
        for last, sale in enumerate(sales):
            while sales[first].at <= sale.at - self._together:
                first += 1
            if last + 1 - first >= self._limit:
                group = sales[first : last + 1]
                persons = len({member.person_id for member in group})
                if persons >= self._limit and self._is_gathering(ledger, item, persons, sale.at):
                    yield group

    def _is_gathering(self, ledger: Ledger[Sale], item: str, persons: int, at: int) -> bool:
        return self._pace.is_unusual(self.usual(ledger), item, at, persons, self._together, self._chance)

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """The group of the point, and the earlier days on which enough of it were together."""
        sales = [sale for sale in window if detail in sale.items and sale.flags & PHARMACY]
        found = self._returned(ledger, detail, sales, window[-1])
        if found is None:
            return None
        excused = [self.excuses.reason(sale) for sale in sales]
        rest = [sale for sale, reason in zip(sales, excused, strict=True) if reason is None]
        muted = self._returned(ledger, detail, rest, window[-1]) is None
        times = len(found.days) + 1
        certain = found.overlap >= self._certain_persons or times >= self._certain_times
        score = round(1 - (1 - CERTAINTY) * (self._limit / found.overlap) * (2 / times), 4)
        score, light = weigh(score, muted=muted, certain=certain)
        features: Features = {
            "generic_code": detail,
            "generic": self.reference.generic_name(detail),
            "grp_psncnt": len(found.persons),
            "returned_persons": found.overlap,
            "times": times,
            "days_since_last": self.calendar.day(window[-1].at) - found.days[-1],
            "settlements": len(found.members),
            "limit": self._limit,
            "window_seconds": self.width,
            "together_seconds": self._together,
        }
        if muted:
            features[MUTED_BY] = told(reason for reason in excused if reason)
        return Match(score, light, features, found.members)

    def _returned(self, ledger: Ledger[Sale], item: str, sales: list[Sale], point: Sale) -> Return | None:
        since = point.at - self._together
        persons = {sale.person_id for sale in sales if sale.at > since}
        if len(persons) < self._limit or not self._is_gathering(ledger, item, len(persons), point.at):
            return None
        today = self.calendar.day(point.at)
        days: dict[int, set[str]] = {}
        together: set[str] = set()
        earlier = [sale for sale in sales if sale.at <= since and self.calendar.day(sale.at) < today]
        for group in self._gatherings(ledger, item, earlier):
            common = [sale for sale in group if sale.person_id in persons]
            known = {sale.person_id for sale in common}
            if len(known) >= self._limit:
                days.setdefault(self.calendar.day(group[-1].at), set()).update(known)
                together.update(sale.event_id for sale in common)
        if not days:
            return None
        members = [sale for sale in sales if sale.at > since or sale.event_id in together]
        return Return(persons, sorted(days), max(len(known) for known in days.values()), members)

    def explain(self, features: Features) -> str:
        """For example 4人30分钟内在同一药店先后购买阿托伐他汀钙片，其中4人25天前也曾同来，60天内共3次结伴购同一药品，请核实。"""
        return (
            f"{features['grp_psncnt']}人{span(int(features['together_seconds']))}内在同一药店先后购买{features['generic']}，"
            f"其中{features['returned_persons']}人{features['days_since_last']}天前也曾同来，"
            f"{span(int(features['window_seconds']))}内第{features['times']}次结伴购买同一药品{closing(features.get(MUTED_BY))}"
        )


RULE = ReturningGroup
