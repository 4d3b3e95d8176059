"""Questions and answers over the real broker: parts, deadlines, strangers' replies, a broker that is away."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from schemas.audit import Answer, Question, encode
from schemas.partitions import key_partition
from streams.gateway.asking import Asker
from streams.gateway.settings import GatewaySettings
from tests.streams.gateway.conftest import PARTITIONS, Answerer, until
from tests.streams.gateway.messages import finding

pytestmark = pytest.mark.embedded


class Counted(Asker):
    strangers = overflow = 0

    def __init__(self, settings: GatewaySettings) -> None:
        super().__init__(settings, ignored=self._stranger, overflowed=self._over)

    def _stranger(self) -> None:
        self.strangers += 1

    def _over(self) -> None:
        self.overflow += 1


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Counted]:
    asker = Counted(settings)
    asker.start()
    try:
        assert await asker.connected(20)
        yield asker
    finally:
        await asker.stop()


@pytest.fixture
def asking(settings: GatewaySettings) -> Callable[..., AbstractAsyncContextManager[Counted]]:
    return lambda **changes: running(settings.model_copy(update=changes))


def question(person_id: str = "P1", seconds: float = 5.0) -> Question:
    return Question(
        kind="bill", asks=uuid.uuid4().hex, msgid="M1", reply_to=0, person_id=person_id, at="2025-06-03 09:10:00",
        deadline_ms=int((time.time() + seconds) * 1000),
    )  # fmt: skip


async def test_each_question_gets_its_own_answer_through_the_partition_of_its_person(
    asking: Callable[..., AbstractAsyncContextManager[Counted]], answerer: Answerer
) -> None:
    answerer.findings = [finding()]
    questions = [question(f"P{number}") for number in range(50)]
    async with asking() as asker:
        answers = await asyncio.gather(*(asker.ask(one) for one in questions))
        assert asker.open_requests == 0
    assert [[part.asks for part in parts or ()] for parts in answers] == [[one.asks] for one in questions]
    assert answers[0] is not None
    assert answers[0][0].findings == [finding()]
    expected = [key_partition(one.person_id.encode(), PARTITIONS) for one in answerer.asked]
    assert answerer.partitions == expected


def _in_parts(question: Question, _: Answerer) -> list[Answer]:
    parts = [("places:3", []), ("person", ["places:1", "places:3"]), ("places:3", []), ("places:1", [])]
    return [Answer(asks=question.asks, msgid=question.msgid, part=part, awaits=awaits) for part, awaits in parts]


async def test_an_answer_is_whole_when_every_part_it_awaits_is_there(
    asking: Callable[..., AbstractAsyncContextManager[Counted]], answerer: Answerer
) -> None:
    answerer.reply = _in_parts
    async with asking() as asker:
        parts = await asker.ask(question())
        assert sorted(part.part for part in parts or ()) == ["person", "places:1", "places:3"]
        await until(lambda: asker.strangers == 1)  # the part that came twice


async def test_without_a_missing_part_it_is_undecided_at_the_deadline(
    asking: Callable[..., AbstractAsyncContextManager[Counted]], answerer: Answerer
) -> None:
    answerer.reply = lambda question, _: _in_parts(question, _)[:2]
    async with asking() as asker:
        begun = time.monotonic()
        assert await asker.ask(question(seconds=0.5)) is None
        assert 0.3 < time.monotonic() - begun < 2
        assert asker.open_requests == 0


async def test_replies_nobody_waits_for_are_counted_and_nothing_else(
    asking: Callable[..., AbstractAsyncContextManager[Counted]], answerer: Answerer, settings: GatewaySettings
) -> None:
    async with asking() as asker:
        await answerer.send(settings, 0, b"not an answer")
        await answerer.send(settings, 0, encode(Answer(asks="long gone", msgid="M", part="person")))
        assert await asker.ask(question()) is not None
        assert asker.strangers == 1


async def test_beyond_the_limit_a_question_is_undecided_at_once(
    asking: Callable[..., AbstractAsyncContextManager[Counted]], settings: GatewaySettings
) -> None:
    async with asking(gateway_open_requests=3) as asker:
        waiting = [asyncio.create_task(asker.ask(question(seconds=1.0))) for _ in range(3)]
        await until(lambda: asker.open_requests == 3)
        begun = time.monotonic()
        assert await asker.ask(question(seconds=30)) is None
        assert time.monotonic() - begun < 0.5
        assert asker.overflow == 1
        assert await asyncio.gather(*waiting) == [None, None, None]


async def test_a_stop_answers_what_is_open(asking: Callable[..., AbstractAsyncContextManager[Counted]]) -> None:
    async with asking() as asker:
        waiting = asyncio.create_task(asker.ask(question(seconds=60)))
        await until(lambda: asker.open_requests == 1)
        await asker.stop()
        assert await asyncio.wait_for(waiting, 2) is None
        assert await asker.ask(question()) is None


async def test_a_broker_that_is_away_makes_everything_undecided_and_is_said(away: GatewaySettings) -> None:
    asker = Counted(away)
    asker.start()
    assert not await asker.connected(0.3)
    begun = time.monotonic()
    assert await asker.ask(question()) is None
    assert time.monotonic() - begun < 0.5
    assert await asker.trouble()
    await asker.stop()


async def test_topics_made_later_are_found(
    kafka: str, topic_prefix: Callable[[], str], settings: GatewaySettings
) -> None:
    from streams.app import ensure_topics

    fresh = settings.model_copy(update={"topic_prefix": topic_prefix()})
    asker = Counted(fresh)
    asker.start()
    assert not await asker.connected(1.0)
    assert "missing" in await asker.trouble()
    await ensure_topics(fresh)
    assert await asker.connected(20)
    assert await asker.trouble() == ""
    await asker.stop()
