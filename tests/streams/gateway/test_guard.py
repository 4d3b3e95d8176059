"""How often a caller may come, and how deep a body may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from streams.gateway.guard import DEEPEST, Rate, Refused, check_depth


@dataclass
class Clock:
    at: float = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_caller_has_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    rate = Rate(2.0, 3, clock)
    for _ in range(3):
        rate.take("a")
    with pytest.raises(Refused) as refused:
        rate.take("a")
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    rate.take("b")
    clock.at += 0.5
    rate.take("a")
    with pytest.raises(Refused):
        rate.take("a")
    clock.at += 1_000
    for _ in range(3):
        rate.take("a")
    with pytest.raises(Refused):
        rate.take("a")


def _nested(levels: int) -> Any:
    value: Any = 1
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    return value


def test_depth_is_bounded() -> None:
    check_depth(_nested(DEEPEST))
    for levels in (DEEPEST + 1, 400):
        with pytest.raises(Refused):
            check_depth(_nested(levels))
