"""What all ledgers of one kind of subject share: their rules, how long they keep what, and what did not go the ordinary way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from schemas.fact import INPATIENT, PHARMACY

if TYPE_CHECKING:
    from detectors.rule import AnyRule

    Glance = Callable[[Any, int], Sequence[str]]

CARE: Final = PHARMACY | INPATIENT
"""The flags that tell kinds of care apart."""


@dataclass
class Tally:
    """Arrivals that did not go the ordinary way, counted since the start."""

    late: int = 0
    """Older than the allowed lateness, judged all the same."""
    too_old: int = 0
    """Older than what the ledger keeps: not judged."""
    over_cap: int = 0
    """Entries dropped because a ledger reached its cap."""
    cut: int = 0
    """Item and trace codes beyond what an entry keeps, and ids longer than any: not judged."""


@dataclass(frozen=True)
class Scope:
    """What all ledgers of one kind of subject share. Spans in seconds."""

    rules: tuple[AnyRule, ...]
    lateness: int
    retention: int
    cap: int
    tally: Tally
    day: Callable[[int], int]
    """The local day of an instant."""
    needs: Mapping[str, int] = field(default_factory=dict)
    """How long the rules that claim entries need these, by detector; ``retention`` is for all others."""

    @cached_property
    def claiming(self) -> tuple[AnyRule, ...]:
        """The rules that claim the entries they need for longer than the others."""
        return tuple(rule for rule in self.rules if rule.detector in self.needs)

    @cached_property
    def longest(self) -> int:
        """How long anything is kept."""
        return max((self.retention, *self.needs.values()))

    @cached_property
    def glances(self) -> dict[int, tuple[tuple[int, int, AnyRule, Glance], ...]]:
        """By kind of care, every rule that may match at such an entry, with how many others it needs before it, within how many seconds,
        and its glance; those that need the fewest first. Looked up once, for it is asked at every entry."""
        asked = [
            (rule.fewest - 1, rule.width if rule.within is None else rule.within, rule, rule.glance)
            for rule in sorted(self.rules, key=lambda rule: rule.fewest)
        ]
        return {
            care: tuple(one for one in asked if one[2].concerns(care))
            for care in (0, PHARMACY, INPATIENT, PHARMACY | INPATIENT)
        }

    @cached_property
    def counting(self) -> tuple[AnyRule, ...]:
        """The rules that count what is usual."""
        return tuple(rule for rule in self.rules if rule.usual_slot)

    @cached_property
    def counters(self) -> tuple[tuple[str, Callable[[Any], Sequence[str]], int], ...]:
        """Their names, what they count of an entry, and the days of a slot."""
        return tuple((rule.detector, rule.usual_keys, rule.usual_slot) for rule in self.counting)
