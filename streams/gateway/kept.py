"""Answers given before, at hand for messages that come again: this gateway's own and, through ``audit.log``, everybody's."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.audit import Record, decode_record
from schemas.topics import AUDIT_LOG
from streams.gateway.lines import Line, close, expect_topics
from streams.gateway.settings import GatewaySettings

_FETCH_WAIT_MS: Final = 100
_FETCH_BYTES: Final = 64 * 1024
"""What others answered is wanted soon, but not by a request to the broker for every record."""
_AT_ONCE: Final = 500
"""Records decoded between two looks at the open requests."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Shown:
    """A finding a hospital was shown under a ``jr_id``."""

    institution_id: str
    person_id: str
    rule_id: str
    doctor_id: str
    department_id: str


@dataclass(frozen=True)
class Given:
    """The answer to a message: its bytes as JSON, and the digest of the message it answered."""

    digest: str
    answer: bytes
    logged: bool
    """Read from ``audit.log``, where the first of two answers stands for all instances."""
    shown: tuple[str, ...]


class Kept:
    """The last ``most`` answers by institution and ``msgid``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[tuple[str, str], Given] = OrderedDict()
        self._shown: dict[str, Shown] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, institution_id: str, msgid: str) -> Given | None:
        """What was answered to this message, if it is at hand."""
        key = (institution_id, msgid)
        given = self._answers.get(key)
        if given is not None:
            self._answers.move_to_end(key)
        return given

    def shown(self, jr_id: str) -> Shown | None:
        """The finding shown under this id, if its answer is at hand."""
        return self._shown.get(jr_id)

    def put(self, record: Record, *, logged: bool = False) -> None:
        """Keep the answer of a record that succeeded; of two for one message the first in ``audit.log`` stays."""
        if record.infcode != 0:
            return  # a refused message may be mended and sent again under its msgid
        key = (record.institution_id, record.msgid)
        known = self._answers.get(key)
        if known is not None and (known.logged or not logged):
            return
        if known is not None:
            self._forget(known)
        findings = _findings(record)
        self._shown.update(findings)
        self._answers[key] = Given(record.digest, record.answer.encode(), logged, tuple(findings))
        self._answers.move_to_end(key)
        if len(self._answers) > self._most:
            _, oldest = self._answers.popitem(last=False)
            self._forget(oldest)

    def _forget(self, given: Given) -> None:
        for jr_id in given.shown:
            self._shown.pop(jr_id, None)


def _findings(record: Record) -> dict[str, Shown]:
    if not record.findings:
        return {}
    try:
        results = orjson.loads(record.answer)["output"]["result"]
        return {
            one["jr_id"]: Shown(
                record.institution_id, one["patn_id"], one["rule_id"], record.doctor_id, record.department_id
            )
            for one in results
        }
    except (orjson.JSONDecodeError, KeyError, TypeError):
        log.error("gateway.unreadable_answer", audit_id=record.audit_id)
        return {}


class LogReader(Line):
    """Follows ``audit.log`` and fills :class:`Kept`, beginning with the last hour, no further back than what can be kept."""

    def __init__(self, settings: GatewaySettings, kept: Kept) -> None:
        super().__init__("kept answers")
        self._settings, self._kept = settings, kept
        self._topic = settings.topics.name(AUDIT_LOG)
        self._consumer: Any = None
        self._loaded = asyncio.Event()

    async def loaded(self, within: float) -> bool:
        """Whether what was there at the start is read, waiting at most ``within`` seconds for it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._loaded.wait(), within)
        return self._loaded.is_set()

    async def _work(self) -> None:
        settings = self._settings
        await expect_topics(settings.kafka, settings.partitions, self._topic)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka.split(","), enable_auto_commit=False, auto_offset_reset="latest",
            fetch_max_wait_ms=_FETCH_WAIT_MS, fetch_min_bytes=_FETCH_BYTES,
        )  # fmt: skip
        await self._consumer.start()
        partitions = [TopicPartition(self._topic, number) for number in range(settings.partitions)]
        self._consumer.assign(partitions)
        since = int((time.time() - settings.gateway_kept_seconds) * 1000)
        first = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        recent = await self._consumer.offsets_for_times(dict.fromkeys(partitions, since))
        # msgids spread evenly over the partitions: more than this could not be kept anyway
        share = -(-settings.gateway_kept_answers // settings.partitions)
        ahead = dict(end)
        for partition in partitions:
            start = recent[partition].offset if recent.get(partition) is not None else end[partition]
            start = max(start, end[partition] - share, first[partition])
            self._consumer.seek(partition, start)
            if start >= end[partition]:
                del ahead[partition]
        self._stand()
        while True:
            if not ahead and not self._loaded.is_set():
                log.info("gateway.answers_loaded", answers=len(self._kept))
                self._loaded.set()
            batches = await self._consumer.getmany(timeout_ms=1_000, max_records=_AT_ONCE)
            for partition, records in batches.items():
                for record in records:
                    self._take(record)
                if partition in ahead and records[-1].offset + 1 >= ahead[partition]:
                    del ahead[partition]
            await asyncio.sleep(0)

    async def _close(self) -> None:
        await close(self._consumer)
        self._consumer = None

    def _take(self, message: Any) -> None:
        try:
            self._kept.put(decode_record(message.value), logged=True)
        except msgspec.MsgspecError as error:
            log.error("gateway.unreadable_record", offset=message.offset, reason=type(error).__name__)
