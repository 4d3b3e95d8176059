"""Light and score: how certain, and whether a known exception explains the match."""

from __future__ import annotations

from typing import Final

from schemas.alert import Light

MUTED_SHARE: Final = 0.4
"""A muted match ranks below every match that no exception explains (those start at one half)."""


def excess_score(value: float, limit: float) -> float:
    """One half at the limit, rising towards 1 with the excess; comparable between rules."""
    return round(1 - limit / (2 * value), 4)


def weigh(score: float, *, muted: bool, certain: bool = False) -> tuple[float, Light]:
    """Score and light of a match: an exception mutes it (green, ranked low), a rule that is certain by itself is red."""
    if muted:
        return round(score * MUTED_SHARE, 4), "green"
    return score, "red" if certain else "yellow"
