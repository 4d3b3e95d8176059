"""One read per module and refresh for all viewers, each module at its own rate, and a store that fails is said and got over."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from console.boards import Boards, Rows, Snapshot
from console.errors import BoardUnavailableError

RATES = {"feed": 5, "map": 10, "audits": 10, "results": 15, "visits": 30, "hospitals": 60, "trend": None}


class FakeStore:
    """Counts its reads; fails or hangs on demand."""

    def __init__(self) -> None:
        self.reads: Counter[tuple[str, str]] = Counter()
        self.away = False
        self.released = threading.Event()
        self.released.set()

    def __call__(self, module: str, institution_id: str) -> Rows:
        self.reads[module, institution_id] += 1
        self.released.wait(30)
        if self.away:
            raise ConnectionError("away")
        return {"rows": [{"read": self.reads[module, institution_id]}]}


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def _until(true: Callable[[], bool], within: float = 10.0) -> None:
    deadline = asyncio.get_running_loop().time() + within
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "did not come true in time"
        await asyncio.sleep(0.002)


async def _live(boards: Boards, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        started = boards.tick()
        wanted = {module: boards.current(module).version + 1 for module in started}
        await _until(
            lambda wanted=wanted: all(boards.current(module).version == version for module, version in wanted.items())
        )
        clock.now += 1


async def test_each_module_is_read_at_its_own_rate_and_the_untimed_one_never() -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    for module in RATES:
        boards.watch(module, lambda _: None)
    await _live(boards, clock, 60)
    assert {module: store.reads[module, ""] for module in RATES} == {
        "feed": 12, "map": 6, "audits": 6, "results": 4, "visits": 2, "hospitals": 1, "trend": 0,
    }  # fmt: skip


async def test_a_module_without_rows_is_read_again_soon_until_it_has_some() -> None:
    clock, reads = FakeClock(), 0

    def filling(module: str, institution_id: str) -> Rows:
        nonlocal reads
        reads += 1
        return {"rows": [{"read": reads}] if reads > 2 else []}

    boards = Boards(filling, {"hospitals": 60}, clock=clock)
    boards.watch("hospitals", lambda _: None)
    await _live(boards, clock, 60)
    assert reads == 3
    assert boards.current("hospitals").rows == {"rows": [{"read": 3}]}


async def test_fifty_viewers_cost_as_many_reads_as_one() -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    seen: Counter[int] = Counter()
    for viewer in range(50):
        boards.watch("feed", lambda _, viewer=viewer: seen.update([viewer]))
    await _live(boards, clock, 20)
    assert store.reads == {("feed", ""): 4}
    assert set(seen.values()) == {4}
    assert len(seen) == 50


async def test_nobody_looks_nothing_is_read() -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    leave = boards.watch("feed", lambda _: None)
    await _live(boards, clock, 1)
    leave()
    await _live(boards, clock, 30)
    assert store.reads == {("feed", ""): 1}


async def test_readers_at_the_same_moment_share_one_read() -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    store.released.clear()
    asking = [asyncio.create_task(boards.recent("trend")) for _ in range(50)]
    await _until(lambda: store.reads["trend", ""] == 1)
    store.released.set()
    answers = await asyncio.gather(*asking)
    assert {answer.version for answer in answers} == {1}
    assert store.reads == {("trend", ""): 1}


async def test_a_reader_gets_the_rows_the_wall_shows() -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    boards.watch("map", lambda _: None)
    await _live(boards, clock, 3)
    assert await boards.recent("map") is boards.current("map")
    assert store.reads["map", ""] == 1
    clock.now += 10
    assert (await boards.recent("map")).version == 2


async def test_institutions_never_share_rows() -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    await boards.recent("feed", "H1")
    await boards.recent("feed", "H2")
    await boards.recent("feed")
    assert store.reads == {("feed", "H1"): 1, ("feed", "H2"): 1, ("feed", ""): 1}


async def test_what_offices_asked_for_does_not_pile_up() -> None:
    boards = Boards(FakeStore(), RATES, clock=FakeClock())
    await boards.recent("feed")
    for number in range(300):
        await boards.recent("feed", f"H{number}")
    assert len(boards._boards) <= 258
    assert boards.current("feed").version == 1


@pytest.fixture
def recorded() -> tuple[list[Snapshot], Callable[[Snapshot], None]]:
    seen: list[Snapshot] = []
    return seen, seen.append


async def test_a_store_that_fails_is_said_with_the_last_rows_kept_and_got_over(
    recorded: tuple[list[Snapshot], Callable[[Snapshot], None]],
) -> None:
    store, clock = FakeStore(), FakeClock()
    boards = Boards(store, RATES, clock=clock)
    seen, watcher = recorded
    boards.watch("feed", watcher)
    await _live(boards, clock, 5)
    store.away = True
    boards.tick()
    await _until(lambda: boards.current("feed").broken)
    assert boards.current("feed").rows == {"rows": [{"read": 1}]}
    with pytest.raises(BoardUnavailableError):
        await boards.recent("feed")
    store.away = False
    clock.now += 5
    boards.tick()
    await _until(lambda: not boards.current("feed").broken)
    assert (seen[0].version, seen[0].broken) == (1, False)
    assert (seen[-1].version, seen[-1].broken) == (2, False)


async def test_a_store_that_hangs_breaks_its_module_only() -> None:
    store, clock = FakeStore(), FakeClock()
    hanging = threading.Event()

    def load(module: str, institution_id: str) -> Rows:
        if module == "map":
            hanging.wait(30)
        return store(module, institution_id)

    boards = Boards(load, RATES, clock=clock, patience=0.05)
    for module in ("feed", "map"):
        boards.watch(module, lambda _: None)
    boards.tick()
    await _until(lambda: boards.current("map").broken and boards.current("feed").version == 1)
    for expected in (2, 3, 4):
        clock.now += 10
        assert boards.tick() == ["feed"]
        await _until(lambda expected=expected: boards.current("feed").version == expected)
    hanging.set()
    await _until(lambda: boards.current("map").version == 1)
    assert not boards.current("map").broken


async def test_a_viewer_that_fails_does_not_keep_others_from_seeing(
    recorded: tuple[list[Snapshot], Callable[[Snapshot], None]],
) -> None:
    def fail(_: Snapshot) -> None:
        raise RuntimeError("gone")

    clock = FakeClock()
    boards = Boards(FakeStore(), RATES, clock=clock)
    seen, watcher = recorded
    boards.watch("feed", fail)
    boards.watch("feed", watcher)
    await _live(boards, clock, 1)
    assert len(seen) == 1


async def test_reload_reads_even_what_has_no_timer() -> None:
    store = FakeStore()
    boards = Boards(store, RATES, clock=FakeClock())
    ask: Callable[[], Awaitable[Snapshot]] = lambda: boards.refresh("trend")  # noqa: E731
    assert (await ask()).version == 1
    assert (await ask()).version == 2
    assert store.reads["trend", ""] == 2
