"""A line to Kafka that is taken up again whenever it breaks."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.errors import TopicError

_AGAIN_SECONDS, _LONGEST_SECONDS = 0.2, 1.0
_CLOSE_SECONDS: Final = 1.5

log = structlog.get_logger(__name__)


class Line(ABC):
    """Works on Kafka in the background until :meth:`stop`; a subclass says how in :meth:`_work` and :meth:`_close`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._standing = asyncio.Event()
        self._reason = "not started"
        self._running: asyncio.Task[None] | None = None
        self._over = False

    @property
    def stands(self) -> bool:
        """Whether it is connected, as far as is known."""
        return self._standing.is_set()

    @property
    def reason(self) -> str:
        """Why it does not stand."""
        return "" if self.stands else self._reason

    def start(self) -> None:
        """Begin to connect, and keep trying; returns at once."""
        self._running = asyncio.create_task(self._run())

    async def connected(self, within: float) -> bool:
        """Whether it stands, waiting at most ``within`` seconds for it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._standing.wait(), within)
        return self.stands

    async def stop(self) -> None:
        """Disconnect for good."""
        self._over = True
        running = self._running
        while running is not None and not running.done():
            # more than once: aiokafka waits with wait_for, and Python 3.11's swallows a cancellation that comes as the wait ends
            running.cancel()
            await asyncio.wait((running,), timeout=_CLOSE_SECONDS * 2)

    @abstractmethod
    async def _work(self) -> None:
        """Connect, call :meth:`_stand`, work; may raise KafkaError, OSError or TopicError at any point."""

    @abstractmethod
    async def _close(self) -> None:
        """Let go of whatever :meth:`_work` opened."""

    def _stand(self) -> None:
        self._standing.set()

    async def _run(self) -> None:
        told, pause = "", _AGAIN_SECONDS
        while not self._over:
            try:
                await self._work()
            except (KafkaError, OSError, TopicError) as error:
                self._reason = str(error) or type(error).__name__
            except Exception as error:
                # a line that died silently would leave a gateway that looks well and answers nothing
                self._reason = type(error).__name__
                log.exception("gateway.line_failed", line=self._name)
            finally:
                if self.stands:
                    told, pause = "", _AGAIN_SECONDS
                self._standing.clear()
                await self._close()
            if self._reason != told:
                log.warning("gateway.line_broken", line=self._name, reason=self._reason)
                told = self._reason
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_SECONDS)


async def close(*ends: Any) -> None:
    """Stop aiokafka clients without waiting for a broker that is away."""
    await asyncio.gather(*(_close(end) for end in ends if end is not None))


async def _close(end: Any) -> None:
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await end.stop()


async def expect_topics(servers: str, partitions: int, *names: str) -> None:
    """Look whether topics are there with their partitions, without making them; raises TopicError or KafkaError."""
    client = AIOKafkaClient(bootstrap_servers=servers.split(","))
    try:
        await client.bootstrap()
        cluster = await client.fetch_all_metadata()
    finally:
        await client.close()
    missing = sorted(set(names) - cluster.topics())
    if missing:
        raise TopicError(f"expected the topics {', '.join(missing)}, they are missing; run fundwatch migrate")
    for name in names:
        found = len(cluster.partitions_for_topic(name) or ())
        if found != partitions:
            raise TopicError(
                f"expected {partitions} partitions of {name}, it has {found}; set FUNDWATCH_PARTITIONS={found}"
            )
