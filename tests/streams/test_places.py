"""Which facts may be judged: nothing that a slower partition could still come before."""

from __future__ import annotations

import pytest

from schemas.fact import Fact
from schemas.instants import HOUR
from streams.outbox import BEGINNING
from streams.places import Horizon, _Held, _Waiting

END = 1 << 62


@pytest.mark.parametrize(
    ("told", "spans", "expected"),
    [
        pytest.param([], None, BEGINNING + HOUR, id="nobody told anything"),
        pytest.param([(0, 9, 500), (1, 9, 900)], None, 500 + HOUR, id="the slowest counts"),
        pytest.param([(0, 9, 500)], None, BEGINNING + HOUR, id="an unknown partition is slowest"),
        pytest.param(
            [(0, 9, 500), (1, 9, 900)], {0: (0, 10)}, 900 + HOUR, id="one at the end of its log is not waited for"
        ),
        pytest.param([(0, 9, 500), (1, 9, 900)], {0: (0, 11), 1: (0, 10)}, 500 + HOUR, id="one record is left"),
        pytest.param([(0, 9, 500)], {0: (0, 10), 1: (0, 0)}, END, id="an empty log has nothing to bring"),
        pytest.param([(0, 9, 500)], {0: (0, 10), 1: (7, 7)}, END, id="nor has one whose records expired"),
        pytest.param(
            [(0, 9, 500), (0, 3, 100), (1, 1, 900)], None, 500 + HOUR, id="what is told again takes nothing back"
        ),
    ],
)
def test_the_horizon(told: list[tuple[int, int, int]], spans: dict[int, tuple[int, int]] | None, expected: int) -> None:
    horizon = Horizon(2)
    for source, offset, progress in told:
        horizon.tell(source, offset, progress)
    assert horizon.instant(spans) == expected


def test_facts_come_out_oldest_first_and_no_later_than_the_horizon() -> None:
    waiting, held = _Waiting(1), _Held(None)
    waiting.add([fact(at) for at in (5 * HOUR + 7, 10, 2 * HOUR, 5 * HOUR + 3)], held)
    assert [one.at for one, _ in waiting.take(5 * HOUR + 5)] == [10, 2 * HOUR, 5 * HOUR + 3]
    assert [one.at for one, _ in waiting.take(END)] == [5 * HOUR + 7]
    assert held.left == 4
    assert not waiting.buckets


def fact(at: int) -> Fact:
    return Fact("terminal", "T", f"E{at}", f"S{at}", at, "P", "H", 0)
