"""Dead letters of what comes beside the settlements: sent and stored in the background, so that nobody waits for them."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from schemas.deadletter import DeadLetter
from schemas.topics import DEADLETTERS, Topics
from streams.meters import Meters
from streams.outbox import letter_rows
from streams.sending import Sender
from streams.storing import Storing

_MOST_WAITING: Final = 1_000
"""Only our own gateways write these topics: so many at once is a fault of theirs, and one look at some of them tells it."""
_AT_ONCE: Final = 100
_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Letters:
    """Sends dead letters to their topic and stores them."""

    def __init__(self, topics: Topics, sender: Sender, storing: Storing, meters: Meters) -> None:
        self._topics = topics
        self._sender = sender
        self._storing = storing
        self._meters = meters
        self._waiting: asyncio.Queue[DeadLetter] = asyncio.Queue(_MOST_WAITING)

    def put(self, letter: DeadLetter) -> None:
        """Take a letter; it is dropped, and that told, when too many wait already (the store may be away for long)."""
        try:
            self._waiting.put_nowait(letter)
        except asyncio.QueueFull:
            log.error("letters.dropped", topic=letter.topic, partition=letter.partition, offset=letter.offset)

    async def run(self) -> None:
        """Bury what was put; never ends."""
        while True:
            letters = [await self._waiting.get()]
            while len(letters) < _AT_ONCE and not self._waiting.empty():
                letters.append(self._waiting.get_nowait())
            while True:
                try:
                    await self.bury(letters)
                    break
                except KafkaError as error:
                    log.warning("letters.not_sent", error=repr(error), retry_in_seconds=_PAUSE_SECONDS)
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def bury(self, letters: list[DeadLetter]) -> None:
        """Send and store letters; returns when they are safe, however long the store is away. Raises aiokafka's KafkaError."""
        await self._sender.send(self._topics.name(DEADLETTERS), letter_rows(letters, self._topics.partitions))
        await self._storing.store([], [], letters)
        self._meters.dead_letters += len(letters)
