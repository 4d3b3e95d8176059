"""Light and score: how certain, and whether a known exception explains the match."""

from __future__ import annotations

from typing import Final

from schemas.alert import Light

MUTED_SHARE: Final = 0.4
"""A muted match ranks below every match that no exception explains (those start at one half or above)."""


def excess_score(value: float, limit: float, certainty: float = 0.5) -> float:
    """``certainty`` at the limit, rising towards 1 with the excess.

    ``certainty`` (from one half) says how rarely the limit is reached for an innocent reason, so that scores of different rules
    can be ranked together.
    """
    return round(1 - (1 - certainty) * limit / value, 4)


def weigh(score: float, *, muted: bool, certain: bool = False) -> tuple[float, Light]:
    """Score and light of a match: an exception mutes it (green, ranked low), a rule that is certain by itself is red."""
    if muted:
        return round(score * MUTED_SHARE, 4), "green"
    return score, "red" if certain else "yellow"
