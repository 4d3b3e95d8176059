"""Several strangers taking the same box from a shop that hardly ever sells it to strangers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import poisson_tail, surprise_score, weigh
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import PHARMACY, STRANGER
from schemas.instants import DAY, Calendar

CERTAINTY: Final = 0.7
"""The score at the limit: strangers may have heard of the same box from one doctor."""
PRIOR_SLOTS: Final = 17
"""The one sale that is added to what was counted is thought to be of so many slots more: four months without any."""
ANONYMOUS: Final = PHARMACY | STRANGER


def _counts(entry: Sale) -> bool:
    return entry.flags & ANONYMOUS == ANONYMOUS


class ItemSurge(Rule[Sale]):
    """Counts the strangers per item code of the watch list at a pharmacy, against what the pharmacy used to sell of it to strangers.

    Whoever gathers drugs with many cards names neither himself nor an hour, but takes them all to the same few shops for the same box,
    whereas nine of ten who buy a watched drug have been there before. A stranger is who had settled nothing there for twelve weeks.
    Before the window the shop sold the box to strangers so rarely that so many are no coincidence (Poisson, one sale added to what was
    counted). Source: domain.md 3.2 (impersonated purchase) and 3.4 (card clusters; thresholds not public).
    """

    detector = "agent_buying.item_surge"
    subject = "institution"
    usual_slot = 7
    near = 0

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self.fewest = self._persons = setting.whole("persons")
        self._chance = 1 / setting.number("chance")
        self._rare = setting.number("rare")
        self._days = self.width / DAY
        self._slots = setting.seconds("history") // (self.usual_slot * DAY)
        self._least_slots = setting.seconds("least_history") // (self.usual_slot * DAY)
        # a window reaches back over the end of its history, and an entry asks for the history of every window that holds it
        self.usual_slots = self._slots + 2 * (self.width // (self.usual_slot * DAY) + 1)

    def usual_keys(self, entry: Sale) -> Sequence[str]:
        """The boxes that strangers took: no more keys than a pharmacy has watched item codes on its shelves."""
        return entry.codes if _counts(entry) else ()

    def concerns(self, care: int) -> bool:
        """Pharmacies."""
        return bool(care & PHARMACY)

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """The boxes of a sale with enough sales of the same within the window."""
        point = ledger.entries[index]
        if not _counts(point):
            return ()
        return [code for code in point.codes if self._close_enough(ledger.of_item(code, point))]

    def _close_enough(self, sales: list[Sale]) -> bool:
        return len(sales) >= self._persons and sales[-self._persons].at > sales[-1].at - self.width

    def claims(self, ledger: Ledger[Sale], index: int) -> bool:
        """A box that hardly ever sells there, and that enough others took within a window of the sale."""
        entry = ledger.entries[index]
        if not _counts(entry):
            return False
        settled = entry.at <= ledger.settled_until - self.width
        return any(
            self._is_rare(ledger, code, entry.at) and (not settled or self._in_company(ledger, code, entry))
            for code in entry.codes
        )

    def _is_rare(self, ledger: Ledger[Sale], code: str, at: int) -> bool:
        first = self._end(at)
        expected = (self._expected(ledger, code, end) for end in range(first, self._end(at + self.width) + 1))
        return any(mean is not None and mean <= self._rare for mean in expected)

    def _in_company(self, ledger: Ledger[Sale], code: str, entry: Sale) -> bool:
        around = [
            other.at
            for other in ledger.of_item(code, ledger.entries[-1])
            if abs(other.at - entry.at) < self.width and _counts(other)
        ]
        step = self._persons - 1
        return any(late - early < self.width for early, late in zip(around, around[step:], strict=False))

    def _end(self, at: int) -> int:
        """The slot in which the history of a point ends: that of the window's beginning, not included."""
        return self.calendar.day(at - self.width) // self.usual_slot

    def _expected(self, ledger: Ledger[Sale], code: str, end: int) -> float | None:
        """Sales to be expected in a window after ``end``; None if the shop is known for too short."""
        usual = self.usual(ledger)
        start = max(usual.first_slot, end - self._slots)
        if end - start < self._least_slots:
            return None
        return (usual.count(code, start, end) + 1) / ((end - start + PRIOR_SLOTS) * self.usual_slot) * self._days

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """The strangers who took the box."""
        members = [entry for entry in window if detail in entry.codes and _counts(entry)]
        count = len({entry.person_id for entry in members})
        end = self._end(window[-1].at)
        mean = self._expected(ledger, detail, end)
        if mean is None or mean > self._rare:
            return None
        tail = self._surprise(count, mean)
        if tail is None:
            return None
        excused = [self.excuses.reason(entry) for entry in members]
        rest = {entry.person_id for entry, reason in zip(members, excused, strict=True) if reason is None}
        muted = self._surprise(len(rest), mean) is None
        score, light = weigh(surprise_score(tail, self._chance, CERTAINTY), muted=muted)
        usual = self.usual(ledger)
        start = max(usual.first_slot, end - self._slots)
        features: Features = {
            "med_list_codg": detail,
            "generic": self._name(detail),
            "grp_psncnt": count,
            "settlements": len(members),
            "window_seconds": self.width,
            "usual_sales": usual.count(detail, start, end),
            "usual_days": (end - start) * self.usual_slot,
            "expected": round(mean, 3),
            "chance": float(f"{tail:.2e}"),
        }
        if muted:
            features[MUTED_BY] = told(reason for reason in excused if reason)
        return Match(score, light, features, members)

    def _name(self, code: str) -> str:
        drug = self.reference.drugs.get(code)
        return code if drug is None else drug.name

    def _surprise(self, persons: int, mean: float) -> float | None:
        """The chance of so many persons where it is small enough, else None."""
        if persons < self._persons:
            return None
        tail = poisson_tail(persons, mean)
        return tail if tail <= self._chance else None

    def explain(self, features: Features) -> str:
        """For example 本药店20天内有4名生客（12周内未曾来店）购买同一规格的百令胶囊（Z109…，5笔），此前84天生客仅买过1笔，…，请核实。"""
        return (
            f"本药店{span(int(features['window_seconds']))}内有{features['grp_psncnt']}名生客（12周内未曾来店）"
            f"购买同一规格的{features['generic']}（{features['med_list_codg']}，{features['settlements']}笔），"
            f"此前{features['usual_days']}天生客仅买过{features['usual_sales']}笔，"
            f"难以用巧合解释，疑有人持多人凭证集中收药{closing(features.get(MUTED_BY))}"
        )


RULE = ItemSurge
