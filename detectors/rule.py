"""What a rule is: a cheap look at a new point, and the full judgement of the window that ends there."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import msgspec

from detectors.errors import RuleFileError
from detectors.exemptions import Excuses
from detectors.parameters import RuleSetting
from detectors.reference import Reference
from detectors.usual import NOTHING_USUAL, Usual
from detectors.windows import EntryT, Ledger
from schemas.alert import Light, SubjectType
from schemas.instants import DAY, HOUR, Calendar

if TYPE_CHECKING:
    from detectors.filed import FiledException

Features = dict[str, float | int | str]

LONGEST_DAY = DAY + HOUR
"""A local day, also where clocks are put back."""
LONGEST: dict[str, int] = {"day": LONGEST_DAY, "month": 31 * DAY + HOUR, "quarter": 92 * DAY + HOUR}
"""The longest episode of each kind, in seconds."""
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
    fewest: int = 1
    """Settlements of a subject below which it never matches."""
    within: int | None = None
    """Seconds within which the fewest lie, the point's own the last, wherever it matches; None: its width."""
    usual_slot: ClassVar[int] = 0
    """Days of a slot in which :meth:`usual_keys` are counted; 0: the rule asks for nothing usual."""
    usual_slots: int = 0
    """Slots that a judgement looks back, counted from the slot of its own day."""
    near: int | None = None
    """Seconds around an entry that tell whether the rule claims it; None: it needs every entry while its windows reach it."""
    asks_peers: ClassVar[bool] = False
    """Whether it holds persons against their peers (``ledger.peers``, None where nobody keeps a cohort)."""

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        self.setting = setting
        self.excuses = Excuses(setting.exceptions)
        self.filed: Mapping[str, Sequence[FiledException]] = {}
        """Exceptions filed for its subjects, by subject id."""
        self.reference = reference
        self.calendar = calendar
        self.episode_length = LONGEST[setting.episode]
        self._period = {"day": calendar.day, "month": calendar.month, "quarter": calendar.quarter}[setting.episode]
        self._start = {"day": calendar.day_start, "month": calendar.month_start, "quarter": calendar.quarter_start}[
            setting.episode
        ]

    @property
    def family(self) -> str:
        """The part of the detector's name that groups it on the wall."""
        return self.detector.partition(".")[0]

    def period(self, at: int) -> int:
        """The number of the local day, month or quarter that an instant falls in."""
        return self._period(at)

    def bounds(self, period: int) -> tuple[int, int]:
        """The first instant of a period and of the next one."""
        return self._start(period), self._start(period + 1)

    def opens(self, period: int) -> int:
        """The instant after which an entry can matter to a period."""
        return self._start(period) - self.width

    @property
    def needs(self) -> int:
        """Seconds that an entry can matter: a reversal changes episodes up to one width after its settlement, and these look back
        one width more."""
        return 2 * self.width + self.episode_length

    def claims(self, ledger: Ledger[EntryT], index: int) -> bool:
        """Whether a rule with :attr:`near` needs an entry that the others no longer do; asked again as time goes on.

        Every judgement must be the same without the entries that are not claimed, and so must this answer. Reversals do not matter.
        """
        return False

    def concerns(self, care: int) -> bool:
        """Whether it may match at entries of this kind of care: 0, PHARMACY, INPATIENT. At others nobody glances."""
        return True

    @abstractmethod
    def glance(self, ledger: Ledger[EntryT], index: int) -> Sequence[str]:
        """The details for which the point at ``index`` may match, from a look that costs next to nothing: "" or what it names.

        May say yes too often, never no wrongly; must not look at what was taken back nor at entries after ``index``.
        """

    @abstractmethod
    def judge(self, window: list[EntryT], detail: str, ledger: Ledger[EntryT]) -> Match[EntryT] | None:
        """Judge a point (the last of ``window``, which holds only entries that count at its time).

        The ledger is given for what is usual there (:meth:`usual`), not for other entries.
        """

    def usual_keys(self, entry: EntryT) -> Sequence[str]:
        """What an entry adds to the counts of what is usual; see :class:`detectors.usual.Usual`."""
        return ()

    def usual(self, ledger: Ledger[EntryT]) -> Usual:
        """What this rule has counted of a subject. Closed slots only: those whose days ended three days before the point's day."""
        return (ledger.usual or {}).get(self.detector, NOTHING_USUAL)

    @abstractmethod
    def explain(self, features: Features) -> str:
        """The finding as a Chinese sentence a supervisor understands, from the features alone."""


AnyRule = Rule[Any]


def rule_class(detector: str) -> type[AnyRule]:
    """The rule of that name: ``agent_buying.shared_terminal`` is detectors/rules/shared_terminal.py. Raises :class:`RuleFileError`."""
    name = detector.partition(".")[2]
    try:
        module = importlib.import_module(f"detectors.rules.{name}")
    except ModuleNotFoundError:
        raise RuleFileError(
            f"rules.{detector}: there is no detectors/rules/{name}.py; write it or take the rule out"
        ) from None
    kind: type[AnyRule] = module.RULE
    if not issubclass(kind, Rule) or kind.detector != detector:
        raise RuleFileError(
            f"rules.{detector}: detectors/rules/{name}.py holds {kind.detector}; give them the same name"
        )
    return kind
