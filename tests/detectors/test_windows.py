"""Case tables: what a window holds, at the second, in whatever order things came."""

from __future__ import annotations

import pytest

from detectors.parameters import RuleSetting
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.scope import Scope, Tally
from detectors.windows import BEGINNING, Entry, Ledger
from schemas.instants import DAY, HOUR, Calendar


class Pair(Rule[Entry]):
    """Matches where two entries lie within ten seconds."""

    detector = "test.pair"
    subject = "person"

    def __init__(self, episode: str = "day") -> None:
        setting = RuleSetting(detector=self.detector, version=1, title="", basis="", episode=episode, parameters={})  # type: ignore[arg-type]
        super().__init__(setting, Reference(), Calendar("UTC"))
        self.width = 10

    def glance(self, ledger: Ledger[Entry], index: int) -> tuple[str, ...]:
        return WHOLE if index and ledger.entries[index - 1].at > ledger.entries[index].at - 10 else ()

    def judge(self, window: list[Entry], detail: str) -> Match[Entry] | None:
        return Match(1.0, "yellow", {}, window) if len(window) > 1 else None

    def explain(self, features: Features) -> str:
        return ""


def ledger(retention: int = 10 * DAY, cap: int = 1000) -> Ledger[Entry]:
    return Ledger(Scope((Pair(),), 2 * DAY, retention, cap, Tally(), lambda at: at // DAY), "person", "P", [])


def entry(at: int, name: str | None = None) -> Entry:
    name = name or f"E{at}"
    return Entry(at, name, name, "A", 100, 0, ())


def fill(*instants: int, **kwargs: int) -> Ledger[Entry]:
    made = ledger(**kwargs)
    for at in instants:
        made.insert(entry(at))
    return made


@pytest.mark.parametrize(
    ("arrivals", "reversals", "point", "held"),
    [
        # the window is (at - 10, at]: ten seconds before is out, nine is in
        ([100, 110], {}, 110, [110]),
        ([101, 110], {}, 110, [101, 110]),
        # order of arrival does not matter
        ([110, 101, 105], {}, 110, [101, 105, 110]),
        ([105, 110, 101], {}, 110, [101, 105, 110]),
        # what comes after the point is not in its window
        ([101, 105, 110], {}, 105, [101, 105]),
        # taken back before the point: out; at the very second: out; a second later: still in
        ([101, 110], {"E101": 105}, 110, [110]),
        ([101, 110], {"E101": 110}, 110, [110]),
        ([101, 110], {"E101": 111}, 110, [101, 110]),
        # a reversal of something else changes nothing
        ([101, 110], {"E999": 105}, 110, [101, 110]),
    ],
)
def test_window(arrivals: list[int], reversals: dict[str, int], point: int, held: list[int]) -> None:
    for reversals_first in (True, False):
        made = ledger()
        if reversals_first:
            for name, at in reversals.items():
                made.take_back(name, at)
        for at in arrivals:
            made.insert(entry(at))
        for name, at in reversals.items():
            made.take_back(name, at)
        index = [known.at for known in made.entries].index(point)
        assert [known.at for known in made.window(index, 10)] == held


@pytest.mark.parametrize(
    ("before", "late", "days"),
    [
        # in order and alone: nothing to judge again
        ([], 5, set()),
        ([0], 50, set()),
        # in order and close: its own day
        ([0], 5, {0}),
        # late, and only later points see it
        ([9], 5, {0}),
        # late before midnight: the next day's point sees it, so does its own
        ([DAY - 20, DAY + 1, 2 * DAY], DAY - 5, {1}),
        ([DAY - 7, DAY + 1, 2 * DAY], DAY - 5, {0, 1}),
        # late and out of everybody's reach
        ([0, 2 * DAY], DAY, set()),
    ],
)
def test_what_an_arrival_makes_dirty(before: list[int], late: int, days: set[int]) -> None:
    made = fill(*before)
    made.dirty = None
    made.insert(entry(late))
    assert {period for _, _, period in made.dirty or ()} == days


@pytest.mark.parametrize("count", [3, 200])
def test_the_same_event_again_changes_nothing(count: int) -> None:
    made = fill(*range(0, count * 100, 100))
    for at in (0, (count - 1) * 100):
        assert not made.insert(entry(at))
        assert not made.changed
    # also with another time: the first telling counts
    assert not made.insert(Entry(50, "E0", "E0", "A", 100, 0, ()))
    assert len(made.entries) == count


def test_only_the_earliest_reversal_counts() -> None:
    made = fill(100)
    assert made.take_back("E100", 300)
    assert made.take_back("E100", 200)
    assert not made.take_back("E100", 250)
    assert made.reversed_at("E100") == 200


def test_what_is_beyond_retention_is_cleared_away_and_refused() -> None:
    made = fill(0, 1 * DAY, 2 * DAY, 19 * DAY, 20 * DAY, 21 * DAY)
    assert made.floor == 9 * DAY
    made.clear_away()  # a few may wait
    assert len(made.entries) == 6
    assert list(made.find("E0")) == []
    made = fill(0, 1 * DAY, 2 * DAY, 3 * DAY, 19 * DAY, 20 * DAY, 21 * DAY)
    made.clear_away()
    assert [known.at for known in made.entries] == [19 * DAY, 20 * DAY, 21 * DAY]
    assert not made.insert(entry(9 * DAY))
    assert made.scope.tally.too_old == 1
    assert made.insert(entry(9 * DAY + 1))
    assert made.scope.tally.late == 1


def test_one_settlement_from_the_far_future_blinds_nobody() -> None:
    made = fill(0, DAY, 70 * 365 * DAY, 2 * DAY)
    assert made.floor < 0
    made.clear_away()
    assert made.insert(entry(3 * DAY))


def test_fewer_than_three_entries_are_never_cleared_away() -> None:
    made = fill(0, 4000 * DAY)
    assert made.floor == BEGINNING
    made.clear_away()
    assert len(made.entries) == 2


def test_cap_keeps_the_newest_and_counts() -> None:
    made = fill(*range(0, 1000, 10), cap=40)
    made.clear_away()
    assert [made.entries[0].at, len(made.entries), made.scope.tally.over_cap] == [600, 40, 60]
    for number in range(100):
        made.take_back(f"X{number}", number)
    made.clear_away()
    assert made.reversals is not None
    assert min(made.reversals.values()) == 60


def test_reversals_beyond_retention_are_forgotten() -> None:
    made = fill(0)
    made.take_back("E0", HOUR)
    for day in (18, 19, 20):
        made.insert(entry(day * DAY))
    made.clear_away()
    assert made.reversals == {}
    assert not made.take_back("E0", HOUR)


def test_an_episode_that_reaches_into_what_was_cleared_away_is_left_alone() -> None:
    made = fill(10 * DAY + 5, 20 * DAY, 21 * DAY, 22 * DAY)
    made.dirty = None
    made.insert(entry(10 * DAY + 6))  # the day starts on the floor: its judgement stands as it is
    assert made.dirty is None
    made.insert(entry(11 * DAY + 20))
    made.insert(entry(11 * DAY + 21))
    assert made.dirty == {("test.pair", "", 11)}


def test_entries_of_an_item_are_in_order_up_to_the_point() -> None:
    made = ledger()
    entries = [
        Entry(at, f"E{at}", f"S{at}", "A", 1, 0, items) for at, items in ((1, ("g",)), (2, ("h",)), (3, ("g", "h")))
    ]
    made.insert(entries[0])
    assert made.of_item("g", entries[0]) == [entries[0]]
    made.insert(entries[2])
    made.insert(entries[1])
    assert made.of_item("g", entries[2]) == [entries[0], entries[2]]
    assert made.of_item("h", entries[1]) == [entries[1]]
    assert made.of_item("unknown", entries[1]) == []


@pytest.mark.parametrize("cleared", [False, True])
def test_a_later_reversal_is_new_once_the_first_is_beyond_retention(cleared: bool) -> None:
    """Whether the first was already forgotten hangs on when the last batch ended, so it must not tell."""
    made = fill(0)
    made.take_back("E0", HOUR)
    for day in (18, 19, 20):
        made.insert(entry(day * DAY))
    if cleared:
        made.clear_away()
    assert made.take_back("E0", 19 * DAY)
    assert not made.take_back("E0", 19 * DAY)
    assert not made.take_back("E0", HOUR)


class Claiming(Pair):
    """Needs for a hundred days what lies within a second of something else."""

    detector = "test.claiming"
    near = 1

    @property
    def needs(self) -> int:
        return 100 * DAY

    def claims(self, ledger: Ledger[Entry], index: int) -> bool:
        at = ledger.entries[index].at
        return any(other is not ledger.entries[index] and abs(other.at - at) <= 1 for other in ledger.entries)


def claiming(*instants: int) -> Ledger[Entry]:
    rules = (Pair(), Claiming())
    scope = Scope(rules, 2 * DAY, 10 * DAY, 1000, Tally(), lambda at: at // DAY, {"test.claiming": 100 * DAY})
    made = Ledger(scope, "person", "P", [])
    for at in instants:
        made.insert(entry(at))
    return made


def test_what_a_rule_claims_stays_until_that_rule_needs_it_no_more() -> None:
    old = [day * DAY + second for day in range(3) for second in (0, 10, 11)]
    made = claiming(*old, 50 * DAY, 51 * DAY, 52 * DAY)
    made.take_back("E10", 43 * DAY)
    made.clear_away()
    pairs = [at for at in old if at % DAY]
    assert [known.at for known in made.entries] == [*pairs, 50 * DAY, 51 * DAY, 52 * DAY]
    assert made.claimed == len(pairs)
    assert not made.insert(entry(10))
    assert not made.insert(entry(12))
    assert made.scope.tally.too_old == 1
    for day in (*range(60, 70), 101, 102, 103):
        made.insert(entry(day * DAY))
    made.clear_away()
    assert [known.at for known in made.entries if known.at < 100 * DAY] == [at for at in pairs if at > DAY]
    assert made.reversed_at("E10") is None


def test_reversals_of_what_is_claimed_are_kept_and_change_only_the_claiming_rule() -> None:
    made = claiming(10, 11, *(20 * DAY + number for number in range(0, 1000, 100)))
    made.take_back("E10", 15 * DAY)
    made.insert(entry(40 * DAY))
    made.insert(entry(41 * DAY))
    made.insert(entry(42 * DAY))
    made.clear_away()
    assert [known.at for known in made.entries] == [10, 11, 40 * DAY, 41 * DAY, 42 * DAY]
    assert made.reversed_at("E10") == 15 * DAY
    assert not made.take_back("E10", 41 * DAY)
    made.dirty = None
    assert made.take_back("E11", 41 * DAY)
    assert made.dirty is None
    late = claiming(10, 11, 40 * DAY, 41 * DAY, 42 * DAY)
    late.dirty = None
    late._touch(1)
    assert {rule for rule, _, _ in late.dirty or ()} == {"test.claiming"}


@pytest.mark.parametrize("cleared", [False, True])
def test_what_is_not_claimed_is_forgotten_though_it_lies_beside_what_is(cleared: bool) -> None:
    made = claiming(0, 10, 11)
    made.take_back("E0", HOUR)
    for day in (18, 19, 20):
        made.insert(entry(day * DAY))
    if cleared:
        made.clear_away()
    assert made.take_back("E0", 19 * DAY)
    assert not made.take_back("E0", 19 * DAY)


def test_the_cap_counts_what_is_claimed_too() -> None:
    made = claiming(*range(100), *(20 * DAY + 100 * number for number in range(50)))
    object.__setattr__(made.scope, "cap", 60)
    made.insert(entry(40 * DAY))
    made.insert(entry(41 * DAY))
    made.insert(entry(42 * DAY))
    made.clear_away()
    assert [made.entries[0].at, len(made.entries), made.scope.tally.over_cap] == [43, 60, 43]
