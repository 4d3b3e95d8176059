"""What a rule is: a cheap look at a new point, and the full judgement of the window that ends there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic

import msgspec

from detectors.parameters import RuleSetting
from detectors.reference import Reference
from detectors.windows import EntryT, Ledger
from schemas.alert import Light, SubjectType
from schemas.instants import DAY, HOUR, Calendar

Features = dict[str, float | int | str]

LONGEST_DAY = DAY + HOUR
"""A local day, also where clocks are put back."""
LONGEST_MONTH = 31 * DAY + HOUR
WHOLE: tuple[str, ...] = ("",)
"""The only detail of a rule that judges its subject as a whole."""


class Match(msgspec.Struct, Generic[EntryT], gc=False):
    """What a rule found at one point; ``members`` are the entries of the window that are the evidence, oldest first."""

    score: float
    light: Light
    features: Features
    members: list[EntryT]


class Rule(ABC, Generic[EntryT]):
    """A rule with its parameters. A point is a settlement seen at its own time; its window ends there and includes it.

    Subclasses set ``detector`` and ``subject``, and in their constructor ``width``: seconds a window reaches back. Adding a
    settlement may make points match and must never stop one from matching.
    """

    detector: ClassVar[str]
    subject: ClassVar[SubjectType]
    width: int

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        self.setting = setting
        self.reference = reference
        self.calendar = calendar
        monthly = setting.episode == "month"
        self.episode_length = LONGEST_MONTH if monthly else LONGEST_DAY
        self._period = calendar.month if monthly else calendar.day
        self._start = calendar.month_start if monthly else calendar.day_start

    @property
    def family(self) -> str:
        """The part of the detector's name that groups it on the wall."""
        return self.detector.partition(".")[0]

    def period(self, at: int) -> int:
        """The number of the local day or month that an instant falls in."""
        return self._period(at)

    def bounds(self, period: int) -> tuple[int, int]:
        """The first instant of a period and of the next one."""
        return self._start(period), self._start(period + 1)

    def opens(self, period: int) -> int:
        """The instant after which an entry can matter to a period."""
        return self._start(period) - self.width

    @abstractmethod
    def glance(self, ledger: Ledger[EntryT], index: int) -> Sequence[str]:
        """The details for which the point at ``index`` may match, from a look that costs next to nothing.

        May say yes too often, never no wrongly; must not look at what was taken back nor at entries after ``index``.
        """

    @abstractmethod
    def judge(self, window: list[EntryT], detail: str) -> Match[EntryT] | None:
        """Judge a point (the last of ``window``, which holds only entries that count at its time)."""

    @abstractmethod
    def explain(self, features: Features) -> str:
        """The finding as a Chinese sentence a supervisor understands, from the features alone."""


AnyRule = Rule[Any]
