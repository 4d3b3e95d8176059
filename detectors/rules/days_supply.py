"""Far more of one drug in hand than can be used: the exact remaining supply of a generic after each collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import STAY, Visit
from detectors.reference import Reference
from detectors.rule import Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import INPATIENT
from schemas.instants import DAY, Calendar

EARLY: Final = 3 * DAY
"""Left over when collecting again: from here on a refill is early (domain.md 3.4)."""
MONTH: Final = 30 * DAY
"""What one collection may well hold: a possession ratio is taken over no less."""
RISE: Final = 8.0
"""How slowly the score rises: a stock of twice the limit collected at three times the need scores 0.71, certainty takes far more."""
OTHER_SHARE: Final = 0.5
"""What a stock counts that hardly sells on."""
STOCK_UP: Final = "stock_up"
STEADY: Final = "steady_refills"
UNKNOWN_MOST: Final = 0.9
"""A number of collections proves no stock: never red."""


class Stock(NamedTuple):
    """The stock of one generic after the last of some collections; spans in seconds."""

    remaining: int
    run: int
    """How many of the last collections have stood since the stock was last used up."""
    early: int
    """Those of the run that came while three days or more were left."""
    left: int
    """What was left at the last collection, before it."""
    unknown: int
    """Collections whose supply is not known, in the window of the quantity rule."""


class Holding(NamedTuple):
    """What is in hand of one generic, None where a dose is unknown; instants and spans in seconds."""

    generic: str
    collections: list[Visit]
    """Those of the window, oldest first."""
    remaining: int | None
    runs_out: int | None
    """When it will be used up, or was."""


class DaysSupply(Rule[Visit]):
    """Remaining supply after each collection: what was left, less the days that passed, plus what was handed out.

    Counted in seconds over the collections of one generic in the window, across institutions. Drugs given in hospital do not
    count, and what is at home lasts while a stay goes on. Where the dose is unknown the collections themselves are counted. The
    score also weighs the possession ratio (supply handed out over the days since the first collection) and what the person used to
    collect in the first half of the window. Source: domain.md 3.2 and 4 (the 2025 notice on over-quantity buying; thresholds are
    ours). Exception beside those of the file: a single large collection, for the notice relaxes stocking up for a journey, and
    refills hardly faster than the need, which pile up for packs do not come by the month.
    """

    detector = "agent_buying.days_supply"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self._monitored_limit = setting.seconds("monitored_limit")
        self._other_limit = setting.seconds("other_limit")
        self._collections = setting.whole("collections")
        self._unknown_window = min(setting.seconds("unknown_window"), self.width)
        self._unknown_limit = setting.whole("unknown_limit")
        self._steady = setting.number("steady_pace")
        self.fewest = min(self._collections, self._unknown_limit)

    def concerns(self, care: int) -> bool:
        """All but stays."""
        return not care & INPATIENT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """Generics of the point in hand beyond the limit, were nothing taken back."""
        entry, fewest = ledger.entries[index], self.fewest
        if index + 1 < fewest or entry.flags & INPATIENT:
            return ()
        since, found = entry.at - self.width, []
        for item in entry.items:
            collections = ledger.of_item(item, entry)
            if (
                len(collections) >= fewest
                and collections[-fewest].at > since
                and self._may_be_enough(item, collections, ledger)
                and self._enough(item, collections, ledger)
            ):
                found.append(item)
        return found

    def _limit(self, generic: str) -> int:
        return self._monitored_limit if generic in self.reference.monitored else self._other_limit

    def _may_be_enough(self, generic: str, collections: list[Visit], ledger: Ledger[Visit]) -> bool:
        """A bound that goes on from the last glance: the stock as if nothing ever left the window, stays are left to the exact look."""
        last = collections[-1]
        notes = ledger.notes
        if notes is None:
            notes = ledger.notes = {}
        key = self.detector, generic
        before, stock, unknown = notes.get(key, (None, 0, False))
        if before is not last:
            some = collections[-1:]
            if len(collections) < 2 or before is not collections[-2]:
                before, stock, unknown = None, 0, False
                some = collections
            for entry in some:
                supply = 0 if entry.flags & INPATIENT else _supply_of(entry, generic)
                unknown = unknown or not supply
                stock = supply if before is None else max(0, stock - entry.at + before.at) + supply
                before = entry
            notes[key] = last, stock, unknown
        return unknown or stock >= self._limit(generic) or self._stayed(ledger, last)

    def _stayed(self, ledger: Ledger[Visit], last: Visit) -> bool:
        """Whether there is a stay in hospital up to an entry, or later; goes on from the last glance."""
        notes = ledger.notes
        key = self.detector, STAY
        known: tuple[int, bool] = (notes or {}).get(key, (0, False))
        upto, stayed = known
        if not stayed and notes is not None:
            entries = ledger.entries
            stayed = any(entries[index].flags & INPATIENT for index in range(upto, len(entries)))
            notes[key] = len(entries), stayed
        return stayed

    def _enough(self, generic: str, collections: list[Visit], ledger: Ledger[Visit]) -> bool:
        """Looked at from the end: what is in hand is the most that any run of collections up to now leaves over its own span."""
        now = collections[-1].at
        since = now - self.width
        limit = self._limit(generic)
        stays = ledger.of_item(STAY, collections[-1])
        if stays:
            limit -= sum(max(0, stay.at - max(stay.began, since)) for stay in stays if stay.began)
        recent = now - self._unknown_window
        count = total = unknown = 0
        held = False
        for entry in reversed(collections):
            at = entry.at
            if at <= since:
                break
            if entry.flags & INPATIENT:
                continue
            supplies = entry.supplies
            supply = supplies[0] if len(supplies) == 1 else _supply_of(entry, generic)
            count += 1
            if supply:
                total += supply
                held = held or total - now + at >= limit
            elif at > recent:
                unknown += 1
                if unknown >= self._unknown_limit:
                    return True
            if held and count >= self._collections:
                return True
        return False

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The supply in hand after the point; muted if it is below the limit without the excepted collections."""
        now, limit = window[-1].at, self._limit(detail)
        members = [entry for entry in window if detail in entry.items and not entry.flags & INPATIENT]
        stays = _stays(window)
        stock = self._stock(members, detail, stays, now)
        held = len(members) >= self._collections and stock.remaining >= limit
        if not held and stock.unknown < self._unknown_limit:
            return None
        excused = self._excused(members, detail)
        rest = [entry for entry in members if entry.event_id not in excused]
        other = self._stock(rest, detail, stays, now) if excused else stock
        muted = (len(rest) < self._collections or other.remaining < limit) and other.unknown < self._unknown_limit
        run = members[-stock.run :] if held else [entry for entry in members if entry.at > now - self._unknown_window]
        pace = self._pace(run, detail, stays)
        months = now - run[0].at >= 2 * MONTH
        steady = held and months and pace < self._steady and stock.unknown < self._unknown_limit
        features: Features = {
            "collections": len(run),
            "fixmedins_cnt": len({entry.institution_id for entry in run}),
            "generic_code": detail,
            "generic": self.reference.generic_name(detail),
            "unknown_dose": sum(not _supply_of(entry, detail) for entry in run),
        }
        if held:
            score = self._score(members, detail, stays, stock, features)
            features |= {
                "remaining_days": round(stock.remaining / DAY, 2),
                "limit_days": round(limit / DAY, 2),
                "supply_days": round(sum(_supply_of(entry, detail) for entry in run) / DAY, 1),
                "span_days": max(1, -(-(now - run[0].at) // DAY)),
                "left_days": round(stock.left / DAY, 1),
                "early_refills": stock.early,
                "pace": round(pace, 2),
            }
        else:
            score = min(UNKNOWN_MOST, excess_score(stock.unknown, self._unknown_limit))
            features |= {"limit": self._unknown_limit, "window_seconds": self._unknown_window}
        if muted or steady:
            features[MUTED_BY] = told(excused.values() if muted else [STEADY])
        return Match(*weigh(score, muted=muted or steady), features, run)

    @staticmethod
    def _pace(run: list[Visit], generic: str, stays: list[tuple[int, int]]) -> float:
        """Supply handed out per day until the last collection: 1 is what the need takes."""
        first, last = run[0].at, run[-1].at
        supply = sum(_supply_of(entry, generic) for entry in run[:-1])
        return supply / max(MONTH, last - first - paused(stays, first, last))

    def _excused(self, members: list[Visit], generic: str) -> dict[str, str]:
        """Beside what the settlements tell: one collection that holds the limit by itself, as before a long journey."""
        excused = self.excuses.reasons(members, self.calendar)
        rest = [entry for entry in members if entry.event_id not in excused]
        if rest:
            largest = max(rest, key=lambda entry: _supply_of(entry, generic))
            if _supply_of(largest, generic) >= self._limit(generic):
                excused[largest.event_id] = STOCK_UP
        return excused

    def _score(
        self, members: list[Visit], generic: str, stays: list[tuple[int, int]], stock: Stock, features: Features
    ) -> float:
        """By the stock that is left even if all that was collected before was used, and by the pace at which it was collected."""
        now, half = members[-1].at, self.width - self.width // 2
        before = sum(_supply_of(entry, generic) for entry in members if entry.at <= now - self.width // 2)
        habit = max(1.0, before / half)
        for days in (30, 90):
            recent = sum(_supply_of(entry, generic) for entry in members if entry.at > now - days * DAY)
            features[f"possession_{days}d"] = round(recent / (days * DAY), 2)
        first = members[0].at
        supply = sum(_supply_of(entry, generic) for entry in members)
        possession = supply / max(MONTH, now - first - paused(stays, first, now))
        features["possession_ratio"] = round(possession, 2)
        features["habit_ratio"] = round(before / half, 2)
        if habit > 1:
            stock = self._stock(members, generic, stays, now, habit)
        share = 1.0 if generic in self.reference.monitored else OTHER_SHARE
        return excess_score(RISE + stock.remaining / self._limit(generic) * possession * share, RISE)

    def _stock(
        self, collections: list[Visit], generic: str, stays: list[tuple[int, int]], until: int, use: float = 1.0
    ) -> Stock:
        """The stock at ``until`` where ``use`` times the need is used."""
        remaining = left = run = early = unknown = before = 0
        for entry in collections:
            if run:
                remaining = self._used(remaining, before, entry.at, stays, use)
            if not remaining:
                run = early = 0
            run += 1
            early += remaining >= EARLY
            left = remaining
            supply = _supply_of(entry, generic)
            remaining += supply
            unknown += not supply and entry.at > until - self._unknown_window
            before = entry.at
        remaining = self._used(remaining, before, until, stays, use)
        return Stock(remaining, run, early, left, unknown)

    def holdings(self, entries: Sequence[Visit], now: int) -> list[Holding]:
        """What is in hand at ``now`` of every generic collected in the window before it.

        ``entries`` are those that count then, oldest first. A stay that is not settled yet is not known.
        """
        window = [entry for entry in entries if now - self.width < entry.at <= now]
        stays = _stays(window)
        collected: dict[str, list[Visit]] = {}
        for entry in window:
            if not entry.flags & INPATIENT:
                for generic in entry.items:
                    collected.setdefault(generic, []).append(entry)
        return [self._holding(collections, generic, stays, now) for generic, collections in collected.items()]

    def _holding(self, collections: list[Visit], generic: str, stays: list[tuple[int, int]], now: int) -> Holding:
        last = collections[-1].at
        then, stock = self._stock(collections, generic, stays, last), self._stock(collections, generic, stays, now)
        run = collections[-then.run :]
        if stock.unknown or not all(_supply_of(entry, generic) for entry in run):
            return Holding(generic, collections, None, None)
        return Holding(generic, collections, stock.remaining, used_up(then.remaining, last, stays))

    @staticmethod
    def _used(stock: int, since: int, until: int, stays: list[tuple[int, int]], use: float) -> int:
        passed = until - since
        if stays:
            passed -= paused(stays, since, until)
        return max(0, stock - int(passed * use))

    def explain(self, features: Features) -> str:
        """For example 46天内在2家机构购买阿托伐他汀钙片4次共120天用量，手中余量约75.5天，达到阈值60天，请核实。"""
        end = closing(features.get(MUTED_BY))
        if "limit" in features:
            return (
                f"{span(int(features['window_seconds']))}内在{features['fixmedins_cnt']}家机构购买{features['generic']}"
                f"{features['collections']}次，其中{features['unknown_dose']}次用量不明，达到阈值{features['limit']}次{end}"
            )
        return (
            f"{features['span_days']}天内在{features['fixmedins_cnt']}家机构购买{features['generic']}"
            f"{features['collections']}次共{features['supply_days']:g}天用量，"
            f"手中余量约{features['remaining_days']:g}天，达到阈值{features['limit_days']:g}天{end}"
        )


def paused(stays: list[tuple[int, int]], since: int, until: int) -> int:
    """Seconds between two instants that were spent in hospital; stays (began, ended) may overlap and come in any order."""
    total, covered = 0, since
    for began, ended in sorted(stays):
        start, end = max(began, covered), min(ended, until)
        if end > start:
            total += end - start
            covered = end
    return total


def used_up(stock: int, since: int, stays: list[tuple[int, int]]) -> int:
    """The instant at which a stock that is used from ``since`` on is gone: it lasts while a stay in hospital goes on."""
    end = covered = since
    end += stock
    for began, ended in sorted(stays):
        start = max(began, covered)
        if start >= end:
            break
        if ended > start:
            end += ended - start
            covered = ended
    return end


def _stays(window: Sequence[Visit]) -> list[tuple[int, int]]:
    return [(entry.began, entry.at) for entry in window if entry.flags & INPATIENT and 0 < entry.began < entry.at]


def _supply_of(entry: Visit, generic: str) -> int:
    return entry.supplies[entry.items.index(generic)]


RULE = DaysSupply
