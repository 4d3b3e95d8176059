"""Publishes settlements to Kafka in the order they are given, keyed by person, as fast as it goes or in step with event time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from detectors.backtest import open_settlements
from schemas.topics import SETTLEMENTS
from streams.errors import ReplayError
from streams.settings import StreamSettings

TELL_SECONDS: Final = 5.0
"""How often a replay without a terminal logs how far it is."""
LONGEST_JUMP: Final = 3_600
"""Seconds of event time that one event may move the clock: one wrong year must not hold up the rest of the file."""

_ANSWER_SECONDS: Final = 5.0
SPREAD: Final = 6 * 3_600
"""Seconds of event time that one partition may be ahead of another in the log.

Kafka takes partitions in no order: unhindered, at full speed, one gets its next weeks before another gets its last. Whoever then
looks at the ends of the logs (the place agent) takes the empty one for finished, and what comes after that as too late.
"""

_ATTEMPT_SECONDS: Final = 0.2
_TOLD_EVERY: Final = 500
_FLAT_KEY: Final = re.compile(rb'"psn_no"\s*:\s*"([^"\\]+)"')
_TIME: Final = re.compile(rb'"setl_time"\s*:\s*"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)')

log = structlog.get_logger(__name__)


def key_of(line: bytes) -> bytes | None:
    """The Kafka key of one settlement: its ``psn_no``; None when it is no settlement, for the worker to say why.

    Most lines name ``psn_no`` once and plainly, and are not decoded for it. A broken line keeps the key that can be read from it.
    """
    found = _FLAT_KEY.search(line)
    if found is not None and line.find(b'"psn_no"', found.end()) < 0:
        return found[1]
    try:
        document = orjson.loads(line)
    except ValueError:
        return None
    key = document.get("psn_no") if isinstance(document, dict) else None
    return key.encode() if isinstance(key, str) and key else None


class Pace:
    """When an event is due: event time, sped up by ``factor``, counted from the first event.

    Event time that goes backward (late arrivals) waits for nothing; event time that leaps is followed an hour at a time.
    """

    def __init__(self, factor: float, now: float) -> None:
        self._factor = factor
        self._due = now
        self._clock: int | None = None

    def due(self, line: bytes) -> float:
        """The monotonic time this event is due; in the past when it is late, the last one's when it names no time."""
        at = _event_seconds(line)
        if at is None:
            return self._due
        if self._clock is None:
            self._clock = at
        ahead = min(max(at - self._clock, 0), LONGEST_JUMP)
        self._clock += ahead
        self._due += ahead / self._factor
        return self._due


class Abreast:
    """Says when everything before an event must be safe before it may follow: see ``SPREAD``."""

    def __init__(self) -> None:
        self._until: int | None = None

    def must_wait(self, line: bytes) -> bool:
        """Whether this event begins the next span of event time."""
        at = _event_seconds(line)
        if at is None:
            return False
        if self._until is None:
            self._until = at + SPREAD
        if at < self._until:
            return False
        # one wrong year must not switch the waiting off for the rest of the file
        self._until = min(at, self._until + 24 * LONGEST_JUMP) + SPREAD
        return True


def _event_seconds(line: bytes) -> int | None:
    """Event time in seconds, None if there is none; only gaps count: any zone will do."""
    found = _TIME.search(line)
    if found is None:
        return None
    try:
        return int(datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


class Publisher:
    """Publishes lines to one topic; what it has published is acknowledged only after :meth:`finish`.

    Order within a partition is kept over retries (idempotent producer), and keys go to the partitions Java and Faust choose (murmur2).
    """

    def __init__(self, kafka: str, topic: str) -> None:
        self.published = 0
        self._topic = topic
        self._failed: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "client.id": "fundwatch-replay",
                "log_level": 0,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "acks": "all",
                # a broker that was restarted is found again within a second, not within ten
                "reconnect.backoff.max.ms": 1_000,
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "message.max.bytes": 8 * 1024 * 1024,
                "queue.buffering.max.messages": 50_000,
                "queue.buffering.max.kbytes": 128 * 1024,
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
            }
        )
        self._check(kafka)

    def publish(self, line: bytes) -> None:
        """Hand one line over; waits while too many are under way. Raises ReplayError when an earlier one was refused for good."""
        key = key_of(line)
        while True:
            try:
                self._producer.produce(self._topic, line, key)
                break
            except BufferError:
                self.attend(_ATTEMPT_SECONDS)
        self.published += 1
        if not self.published % _TOLD_EVERY:
            self.attend()

    def attend(self, seconds: float = 0.0) -> None:
        """Let Kafka's answers in, for so many seconds at most."""
        self._producer.poll(seconds)
        if self._failed is not None:
            raise ReplayError(
                f"expected Kafka to take every settlement for {self._topic}, got: {self._failed.str()}; see to Kafka and publish "
                "the file again from its beginning: settlements that come twice are counted once"
            )

    def finish(self) -> int:
        """Wait until everything is acknowledged; the number of settlements published."""
        # flush() returns the moment the last answer is in; poll() would sit out its time, for success makes no callback
        while self._producer.flush(_ATTEMPT_SECONDS):
            self.attend()
        self.attend()
        return self.published

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failed = self._failed or error

    def _check(self, kafka: str) -> None:
        try:
            known = self._producer.list_topics(self._topic, timeout=_ANSWER_SECONDS).topics[self._topic]
        except KafkaException as error:
            raise ReplayError(
                f"expected Kafka to answer at {kafka}, got: {error.args[0].str()}; start it or correct FUNDWATCH_KAFKA"
            ) from None
        if known.error is not None:
            raise ReplayError(
                f"expected the topic {self._topic} at {kafka}, got: {known.error.str()}; run fundwatch migrate, which creates it"
            )


def publish(
    lines: Iterable[bytes],
    kafka: str,
    topic: str,
    *,
    speed: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
    told: Callable[[int], None] = lambda count: None,
) -> int:
    """Publish ``lines`` in order until they end or ``stopped`` says so; returns how many Kafka has acknowledged.

    ``speed`` is times event time, None as fast as it goes; blank lines are passed over; ``told`` hears the count every now and then.
    Raises :class:`ReplayError` when Kafka does not answer, lacks the topic or refuses a settlement.
    """
    publisher, abreast = Publisher(kafka, topic), Abreast()
    pace = Pace(speed, time.monotonic()) if speed is not None else None
    for line in lines:
        if not line or line.isspace():
            continue
        if pace is not None:
            _wait_until(pace.due(line), publisher, stopped)
            told(publisher.published)
        elif not publisher.published % _TOLD_EVERY:
            told(publisher.published)
        if stopped():
            break
        if abreast.must_wait(line):
            publisher.finish()
        publisher.publish(line)
    count = publisher.finish()
    told(count)
    return count


def replay_file(
    file: Path, settings: StreamSettings, *, speed: float | None = None, stopped: Callable[[], bool] = lambda: False
) -> int:
    """Publish a settlement file (plain or zstd, ``-`` is standard input) to ``settlements``, telling how far it is.

    Returns the number published; raises :class:`ReplayError` or detectors.errors.UnreadableInputError.
    """
    topic = settings.topics.name(SETTLEMENTS)
    with _Telling(file) as telling:
        lines = open_settlements(file, telling.read if telling.size else None)
        return publish(lines, settings.kafka, topic, speed=speed, stopped=stopped, told=telling.published)


def _wait_until(due: float, publisher: Publisher, stopped: Callable[[], bool]) -> None:
    while (left := due - time.monotonic()) > 0 and not stopped():
        publisher.attend(min(left, _ATTEMPT_SECONDS))


class _Telling:
    """Says how far a replay is: a bar on a terminal, a log line every few seconds elsewhere."""

    def __init__(self, file: Path) -> None:
        regular = str(file) != "-" and file.is_file()
        self.size = file.stat().st_size if regular else None
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]:,} settlements"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(file.name, total=self.size, count=0, rate=0.0)
        self._began = self._last = time.monotonic()

    def __enter__(self) -> _Telling:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def read(self, position: int) -> None:
        """So many bytes of the file have been read."""
        self._bar.update(self._task, completed=position)

    def published(self, count: int) -> None:
        """So many settlements have been handed to Kafka."""
        now = time.monotonic()
        rate = count / max(now - self._began, 1e-3)
        self._bar.update(self._task, count=count, rate=rate)
        if not self._console.is_terminal and now - self._last >= TELL_SECONDS:
            self._last = now
            log.info("replay_progress", published=count, per_second=round(rate))
