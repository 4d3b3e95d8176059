"""The order of a flush: nothing is saved before its effects, nothing acknowledged before it is saved."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from schemas.topics import Topics
from streams.errors import WorkerStalled
from streams.meters import Meters
from streams.outbox import Outbox, Side


class Broker:
    """Stands for Kafka and the store: notes what comes in which order, and does ``during`` in the middle of storing."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.during = lambda: None

    async def send(self, topic: str, rows: dict[int, Any]) -> dict[int, int]:
        if rows:
            await asyncio.sleep(0)
            self.notes += [f"{topic} {[key for key, _ in some]}" for some in rows.values()]
        return dict.fromkeys(rows, 7)

    async def store(self, settlements: Any, alerts: Any, dead_letters: Any) -> None:
        await asyncio.sleep(0)
        self.notes.append("stored")
        self.during()


class States:
    changelog = "state"

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def shared_rows(self, partition: int) -> dict[bytes, bytes]:
        return {}

    def dump(self, key: str, state: Any, rows: dict[bytes, bytes]) -> None:
        rows[key.encode()] = b""

    def leave(self, rows: Any, dirty: Any) -> None:
        pass

    def saved(self, partition: int, rows: Any, last_offset: int) -> None:
        self.notes.append(f"saved {partition} up to {last_offset}")

    def cut_row(self, partition: int, reached: int, until: int) -> tuple[bytes, bytes]:
        return b"cut %d to %d" % (partition, reached), b""


class Event:
    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def ack(self) -> None:
        self.notes.append("acknowledged")


class Judge:
    def __init__(self, alerts: list[Any]) -> None:
        self.alerts = alerts

    def review(self, state: Any) -> list[Any]:
        return self.alerts


def outbox_with(broker: Broker, alerts: list[Any]) -> tuple[Outbox, Side]:
    outbox = Outbox(
        Topics(partitions=1),
        Judge(alerts),
        broker,
        broker,
        Meters(),
        seconds=0.01,
        events=2,
        stall=60,  # type: ignore[arg-type]
    )
    outbox._alert_rows = lambda some: {0: [(b"alert", b"") for _ in some]} if some else {}  # type: ignore[method-assign,assignment]
    return outbox, Side("people", States(broker.notes))  # type: ignore[arg-type]


def judge(outbox: Outbox, side: Side, broker: Broker, partition: int = 0) -> None:
    part = outbox.part(side, partition)
    part.touched["P"] = object()
    part.done.append(Event(broker.notes))
    part.reached, part.events, part.progress = 5, 1, 1
    outbox.collected(side, 1)


@pytest.mark.parametrize("alerts", [[], ["one"]], ids=["without alerts", "with an alert"])
async def test_effects_then_states_then_acknowledgement(alerts: list[Any]) -> None:
    broker = Broker()
    outbox, side = outbox_with(broker, alerts)
    judge(outbox, side, broker)
    await outbox.close()
    announced = ["state [b'cut 0 to 5']"] if alerts else []
    told = [f"alerts {[b'alert']}"] if alerts else []
    first, last = len(announced), len(broker.notes) - 3
    assert broker.notes[:first] == announced
    assert sorted(broker.notes[first:last]) == sorted(["stored", "facts [None]", *told])
    assert broker.notes[last:] == ["state [b'P']", "saved 0 up to 7", "acknowledged"]


async def test_what_was_forgotten_while_its_effects_left_is_neither_saved_nor_acknowledged() -> None:
    broker = Broker()
    outbox, side = outbox_with(broker, [])
    judge(outbox, side, broker)
    broker.during = outbox.forget
    await outbox.close()
    assert "stored" in broker.notes
    assert not {"saved 0 up to 7", "acknowledged"} & set(broker.notes)


async def test_a_part_in_the_middle_of_a_redo_is_not_cut() -> None:
    broker = Broker()
    outbox, side = outbox_with(broker, [])
    judge(outbox, side, broker, partition=0)
    judge(outbox, side, broker, partition=1)
    outbox.part(side, 1).whole = False
    await outbox.close()
    assert broker.notes.count("acknowledged") == 1
    assert outbox.part(side, 1).events == 1


async def test_an_agent_waits_when_as_much_is_judged_as_may_be_unflushed() -> None:
    broker = Broker()
    outbox, side = outbox_with(broker, [])
    running = asyncio.create_task(outbox.run())
    async with outbox.judging:
        judge(outbox, side, broker)
        await asyncio.wait_for(outbox.room(side), 5)
        judge(outbox, side, broker)
        waiting = asyncio.create_task(outbox.room(side))
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
    running.cancel()


def test_a_process_that_stood_still_for_its_session_writes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, _ = outbox_with(Broker(), [])
    outbox.tick()
    later = time.monotonic() + 61
    monkeypatch.setattr("streams.outbox.time.monotonic", lambda: later)
    with pytest.raises(WorkerStalled, match="another worker"):
        outbox.tick()
