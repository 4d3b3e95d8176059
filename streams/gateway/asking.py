"""Asks the workers over Kafka and waits for their answers, each question until its deadline and never longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.audit import PERSON_PART, Answer, Question, decode_answer, encode
from schemas.partitions import key_partition
from schemas.topics import AUDIT_REPLIES, AUDIT_REQUESTS
from streams.gateway.lines import Line, close, expect_topics
from streams.gateway.settings import GatewaySettings

_REQUEST_MS: Final = 5_000
"""A question the broker has not taken by then is forgotten: nobody waits for it any more."""
_PROBE_SECONDS: Final = 1.5
_MOST_BYTES: Final = 2 * 1024 * 1024

log = structlog.get_logger(__name__)


def _nothing() -> None:
    """For counts nobody takes."""


@dataclass
class _Open:
    """An open request: the parts that came, and whom to tell when it is whole."""

    whole: asyncio.Future[list[Answer] | None]
    parts: dict[str, Answer] = field(default_factory=dict)

    def take(self, answer: Answer) -> bool:
        """Whether the part was new."""
        if answer.part in self.parts:
            return False
        self.parts[answer.part] = answer
        person = self.parts.get(PERSON_PART)
        if person is not None and all(part in self.parts for part in person.awaits) and not self.whole.done():
            self.whole.set_result(list(self.parts.values()))
        return True


class Asker(Line):
    """One gateway's line to the workers: questions out by person, answers in through its own partition of ``audit.replies``.

    Nothing here raises towards a hospital: whatever is wrong with Kafka, :meth:`ask` says None in time and :meth:`trouble` says why.
    ``ignored`` is called for each reply nobody waits for, ``overflowed`` for each question beyond ``gateway_open_requests``.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        ignored: Callable[[], None] = _nothing,
        overflowed: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__("questions")
        self._settings = settings
        self._requests = settings.topics.name(AUDIT_REQUESTS)
        self._replies = TopicPartition(settings.topics.name(AUDIT_REPLIES), settings.reply_partition)
        self._ignored, self._overflowed = ignored, overflowed
        self._open: dict[str, _Open] = {}
        self._producer: Any = None
        self._consumer: Any = None
        self._stopping = False

    @property
    def open_requests(self) -> int:
        """Questions that wait now."""
        return len(self._open)

    @property
    def reply_to(self) -> int:
        """The partition answers come through."""
        return self._settings.reply_partition

    async def stop(self) -> None:
        """Answer every open question as undecided and disconnect."""
        self._stopping = True
        for waiting in self._open.values():
            if not waiting.whole.done():
                waiting.whole.set_result(None)
        await super().stop()

    async def ask(self, question: Question) -> list[Answer] | None:
        """The person's part and all parts it awaits, or None: undecided. Comes back by ``question.deadline_ms``."""
        left = question.deadline_ms / 1000 - time.time()
        if self._stopping or not self.stands or left <= 0:
            return None
        if len(self._open) >= self._settings.gateway_open_requests:
            self._overflowed()
            return None
        waiting = self._open[question.asks] = _Open(asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(left):
                await self._send(question)
                return await waiting.whole
        except TimeoutError:
            return None
        except KafkaError as error:
            log.warning("gateway.not_asked", reason=type(error).__name__)
            return None
        finally:
            del self._open[question.asks]

    async def trouble(self) -> str:
        """Why questions cannot be asked now; empty if they can."""
        if not self.stands:
            return self.reason
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._consumer.end_offsets([self._replies])
        except (TimeoutError, KafkaError, OSError):
            return f"Kafka at {self._settings.kafka} does not answer"
        return ""

    async def _send(self, question: Question) -> None:
        key = question.person_id.encode()
        partition = key_partition(key, self._settings.partitions)
        sent = await self._producer.send(self._requests, encode(question), key=key, partition=partition)
        # nobody waits for the broker's word: the answer is the proof, its absence the deadline's business
        sent.add_done_callback(_look_at)

    async def _work(self) -> None:
        await self._connect()
        log.info("gateway.connected", kafka=self._settings.kafka, reply_partition=self._replies.partition)
        self._stand()
        await self._read()

    async def _connect(self) -> None:
        await expect_topics(self._settings.kafka, self._settings.partitions, self._requests, self._replies.topic)
        servers = self._settings.kafka.split(",")
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            linger_ms=0,
            acks=1,
            request_timeout_ms=_REQUEST_MS,
            max_request_size=_MOST_BYTES,
        )
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="latest", fetch_max_wait_ms=500
        )
        await self._consumer.start()
        self._consumer.assign([self._replies])
        await self._consumer.seek_to_end(self._replies)
        # asked for now, so that the first question cannot be answered before we know where to read from
        await self._consumer.position(self._replies)
        await self._producer.partitions_for(self._requests)

    async def _close(self) -> None:
        await close(self._producer, self._consumer)
        self._producer = self._consumer = None

    async def _read(self) -> None:
        async for record in self._consumer:
            try:
                answer = decode_answer(record.value)
            except msgspec.MsgspecError as error:
                log.error("gateway.unreadable_reply", offset=record.offset, reason=type(error).__name__)
                continue
            waiting = self._open.get(answer.asks)
            if waiting is None or not waiting.take(answer):
                self._ignored()


def _look_at(sent: asyncio.Future[Any]) -> None:
    if not sent.cancelled() and sent.exception() is not None:
        log.warning("gateway.question_lost", reason=type(sent.exception()).__name__)
