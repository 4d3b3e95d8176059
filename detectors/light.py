"""Light and score: how certain, and whether a known exception explains the match."""

from __future__ import annotations

import math
from typing import Final

from schemas.alert import Light

MUTED_SHARE: Final = 0.4
"""A muted match ranks below every match that no exception explains (those start at one half or above)."""
RED_SCORE: Final = 0.95
"""From here on a match is so far beyond its limit that it is acted upon like one that is certain by rule."""


def excess_score(value: float, limit: float, certainty: float = 0.5) -> float:
    """``certainty`` at the limit, rising towards 1 with the excess.

    ``certainty`` (from one half) says how rarely the limit is reached for an innocent reason, so that scores of different rules
    can be ranked together.
    """
    return round(1 - (1 - certainty) * limit / value, 4)


def poisson_tail(count: int, mean: float) -> float:
    """How likely ``count`` or more of what happens independently with this mean is; never exactly 0."""
    if count <= 0:
        return 1.0
    term = math.exp(-mean + count * math.log(mean) - math.lgamma(count + 1)) if mean > 0 else 0.0
    total, more = 0.0, float(count)
    while term > total * 1e-12 and more < count + 1_000:
        total += term
        more += 1
        term *= mean / more
    return max(min(total, 1.0), 1e-300)


def surprise_score(tail: float, limit: float, certainty: float = 0.5) -> float:
    """``certainty`` where the chance of a coincidence is ``limit``; what is missing to 1 shrinks tenfold for every factor 10,000 below."""
    return round(1 - (1 - certainty) * math.sqrt(math.sqrt(tail / limit)), 4)


def weigh(score: float, *, muted: bool, certain: bool = False) -> tuple[float, Light]:
    """Score and light of a match: an exception mutes it (green, ranked low), a rule that is certain by itself is red."""
    if muted:
        return round(score * MUTED_SHARE, 4), "green"
    return score, "red" if certain or score >= RED_SCORE else "yellow"
