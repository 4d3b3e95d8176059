"""What is usual at a subject: counts by key and slot of days, from which rules take what is to be expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

FORGET_STEP: Final = 8
"""Slots of what is usual that are dropped at once: to drop some, all are looked through."""
NEVER: Final = 1 << 62


class Usual(msgspec.Struct, array_like=True, gc=False):
    """What a rule has counted of one subject, by key and slot of days, each settlement once and whether or not it was taken back.

    Such counts of slots that are closed (no event within the lateness can still fall into them) are the same for any arrival order.
    """

    first_slot: int
    """The earliest slot ever counted: how long this subject is known."""
    counts: dict[str, dict[int, int]]
    kept_from: int = -NEVER
    """Slots before this one are gone."""

    def add(self, keys: Iterable[str], slot: int) -> None:
        """Count one settlement under each of its keys."""
        counts = self.counts
        for key in keys:
            slots = counts.get(key)
            if slots is None:
                counts[key] = {slot: 1}
            else:
                slots[slot] = slots.get(slot, 0) + 1
        if slot < self.first_slot:
            self.first_slot = slot

    def count(self, key: str, first: int, end: int) -> int:
        """Settlements in the slots from ``first`` up to, not including, ``end``."""
        slots = self.counts.get(key)
        return sum(slots.get(slot, 0) for slot in range(first, end)) if slots else 0

    def forget(self, before: int) -> None:
        """Drop the slots before one, now and then."""
        if before < self.kept_from + FORGET_STEP:
            return
        self.kept_from = before
        for key in list(self.counts):
            slots = {slot: count for slot, count in self.counts[key].items() if slot >= before}
            if slots:
                self.counts[key] = slots
            else:
                del self.counts[key]


NOTHING_USUAL: Final = Usual(NEVER, {})
