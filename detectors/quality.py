"""How well labelled episodes are found: recall by kind, look-alikes left alone, alerts on the unlabelled background, lead.

An episode counts as caught by the first alert whose evidence holds at least two of its events (one for kinds C and T, whose events each
tell on their own), so that an alert on someone's ordinary purchase does not count. An alert that holds no event of any episode counts as
background: unlabelled, hence not proven wrong. A budget keeps the highest scores until so many background alerts per 10,000 events are
reached, as an office does that can look at only so many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from detectors.errors import TruthFileError
from schemas.alert import Alert

FRAUD: Final = "fraud"
FAMILIES: Final = {
    "A": "agent_buying", "B": "agent_buying", "C": "agent_buying", "D": "agent_buying", "T": "agent_buying",
    "E": "frequent_visits", "F": "frequent_visits",
}  # fmt: skip
"""Which family a kind of episode belongs to; another kind is a family of its own."""
LIGHTS: Final = frozenset({"red", "yellow"})
"""The lights that ask somebody to look; green does not."""
BUDGETS: Final = (3.0, 10.0)
"""Background alerts per 10,000 events at which two versions are compared."""
_SINGLE: Final = frozenset({"C", "T"})
_PER: Final = 10_000


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a truth file; ``label`` is ``fraud`` or ``legitimate`` (looks alike and is fine)."""

    episode_id: str
    kind: str
    label: str
    event_ids: list[str]
    persons: list[str] = []
    params: dict[str, Any] = {}

    @property
    def fraud(self) -> bool:
        """Whether this should be found; a look-alike should not."""
        return self.label == FRAUD

    @property
    def family(self) -> str:
        """The family whose detectors should find it."""
        return FAMILIES.get(self.kind, self.kind)

    @property
    def needed(self) -> int:
        """Its events an alert must hold to have caught it."""
        return 1 if self.kind in _SINGLE else 2


class Share(NamedTuple):
    """So many of so many."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 of nothing is 0."""
        return self.hits / self.of if self.of else 0.0


@dataclass(frozen=True)
class Quality:
    """What a run came to at one budget (None: all alerts)."""

    budget: float | None
    events: int
    alerts: int
    background: int
    """Alerts that hold no event of any episode."""
    background_events: int
    caught: dict[str, float]
    """Fraud episodes caught, by id: the lead, the share of its events that had happened when the first alert was raised."""
    flagged: frozenset[str]
    """Look-alikes that were flagged, by id."""
    episodes: tuple[Episode, ...]

    @property
    def recall(self) -> Share:
        """Fraud episodes caught, of all."""
        return Share(len(self.caught), sum(episode.fraud for episode in self.episodes))

    @property
    def look_alikes(self) -> Share:
        """Look-alikes flagged, of all."""
        return Share(len(self.flagged), sum(not episode.fraud for episode in self.episodes))

    @property
    def background_per_10k(self) -> float:
        """Background alerts per 10,000 events of the background."""
        return _PER * self.background / max(1, self.background_events)

    @property
    def precision(self) -> float:
        """Fraud episodes among all labelled episodes that were flagged."""
        return Share(len(self.caught), len(self.caught) + len(self.flagged)).share

    @property
    def median_lead(self) -> float | None:
        """The median lead of the caught episodes (the upper one of two); None when none was caught."""
        leads = sorted(self.caught.values())
        return leads[len(leads) // 2] if leads else None

    def by_family(self) -> dict[str, Share]:
        """Fraud episodes caught, of all, per family."""
        return self._by("family")

    def by_kind(self) -> dict[str, Share]:
        """Episodes caught or flagged, of all, per kind, look-alikes too."""
        return self._by("kind", look_alikes=True)

    def _by(self, field: str, *, look_alikes: bool = False) -> dict[str, Share]:
        rows = [(getattr(one, field), one.episode_id) for one in self.episodes if one.fraud or look_alikes]
        of = Counter(key for key, _ in rows)
        hits = Counter(key for key, episode in rows if episode in self.caught or episode in self.flagged)
        return {key: Share(hits[key], of[key]) for key in sorted(of)}

    def figures(self) -> dict[str, Any]:
        """The same as plain numbers for JSON, shares rounded to three digits."""
        lead = self.median_lead
        return {
            "budget": self.budget,
            "alerts": self.alerts,
            "background_alerts_per_10k": round(self.background_per_10k, 2),
            "recall": round(self.recall.share, 3),
            "recall_by_family": {family: round(share.share, 3) for family, share in self.by_family().items()},
            "caught_by_kind": {kind: list(share) for kind, share in self.by_kind().items()},
            "look_alikes_flagged": round(self.look_alikes.share, 3),
            "precision": round(self.precision, 3),
            "median_lead": None if lead is None else round(lead, 3),
        }


def read_truth(path: str | Path) -> tuple[Episode, ...]:
    """The episodes of a truth file, one JSON object per line. Raises :class:`TruthFileError`."""
    expected = "expected one JSON object per line with episode_id, kind, label and event_ids"
    decode = msgspec.json.Decoder(Episode).decode
    episodes = []
    try:
        for number, line in enumerate(Path(path).read_bytes().split(b"\n"), 1):
            if line.strip():
                try:
                    episodes.append(decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise TruthFileError(f"{path}, line {number}: {expected}: {error}") from None
    except OSError as error:
        raise TruthFileError(f"cannot read the truth file {path}: {error.strerror}; {expected}") from None
    repeated = [one for one, count in Counter(episode.episode_id for episode in episodes).items() if count > 1]
    if repeated:
        raise TruthFileError(f"{path}: expected each episode_id once, got {repeated[0]} again")
    return tuple(episodes)


def measure(
    episodes: Sequence[Episode],
    alerts: Iterable[Alert | Mapping[str, Any]],
    *,
    events: int,
    first_times: Mapping[str, str],
    budget: float | None = None,
) -> Quality:
    """Measure alerts (all revisions or only the last ones) of a stream of ``events`` lines against its episodes.

    ``first_times`` gives the event time, ``yyyy-MM-dd HH:mm:ss``, of (at least) the episodes' events, for the lead.
    ``budget`` is in background alerts per 10,000 background events; None takes every alert.
    """
    owner = {event: episode for episode in episodes for event in episode.event_ids}
    needed = {episode.episode_id: episode.needed for episode in episodes}
    background_events = events - len(owner)
    whole: dict[str, list[_Revision]] = {}
    for alert in alerts:
        revision = _revision(alert)
        if revision.light in LIGHTS:
            whole.setdefault(revision.alert_id, []).append(revision)
    kept = list(_affordable(list(whole.values()), owner, budget, background_events))
    raised: dict[str, str] = {}
    for revision in (revision for revisions in kept for revision in revisions):
        held = Counter(owner[event].episode_id for event in revision.event_ids if event in owner)
        for episode_id, hits in held.items():
            if hits >= needed[episode_id]:
                raised[episode_id] = min(raised.get(episode_id, revision.raised_at), revision.raised_at)
    hit = [episode for episode in episodes if episode.episode_id in raised]
    return Quality(
        budget=budget,
        events=events,
        alerts=len(kept),
        background=sum(not _touches(revisions, owner) for revisions in kept),
        background_events=background_events,
        caught={one.episode_id: _lead(one, raised[one.episode_id], first_times) for one in hit if one.fraud},
        flagged=frozenset(one.episode_id for one in hit if not one.fraud),
        episodes=tuple(episodes),
    )


class _Revision(NamedTuple):
    alert_id: str
    light: str
    score: float
    raised_at: str
    event_ids: Sequence[str]


def _revision(alert: Alert | Mapping[str, Any]) -> _Revision:
    if isinstance(alert, Alert):
        return _Revision(alert.alert_id, alert.light, alert.score, alert.raised_at, alert.event_ids)
    return _Revision(
        alert["alert_id"],
        alert["light"],
        float(alert.get("score", 0)),
        alert["raised_at"].replace("T", " ")[:19],
        alert["event_ids"],
    )


def _affordable(
    whole: list[list[_Revision]], owner: Mapping[str, Episode], budget: float | None, background_events: int
) -> Iterable[list[_Revision]]:
    """The alerts, each with its revisions, that the budget pays for; the highest scores first, equal ones as they came."""
    if budget is None:
        return whole
    left = budget * background_events / _PER
    kept = []
    for revisions in sorted(whole, key=lambda one: -max(revision.score for revision in one)):
        left -= not _touches(revisions, owner)
        if left < 0:
            break
        kept.append(revisions)
    return kept


def _touches(revisions: list[_Revision], owner: Mapping[str, Episode]) -> bool:
    return any(event in owner for revision in revisions for event in revision.event_ids)


def _lead(episode: Episode, raised_at: str, first_times: Mapping[str, str]) -> float:
    times = [first_times[event] for event in episode.event_ids if event in first_times]
    return sum(time <= raised_at for time in times) / len(times) if times else 0.0
