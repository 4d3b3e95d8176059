"""Whole fetched batches of the hot topics into ordinary Faust agents; everything else as Faust does it.

Stock Faust gives every record its own message, event, queue entry, callback race and acknowledgement: about 60 µs of loop time before
the agent sees it. Here a *hot* topic's records stay in the list the fetcher returned. One list becomes one message whose value is a
:class:`Batch`, and that message takes the stock way: conductor, channel, stream, agent, ``event.ack()``. Membership, assignment,
tables, recovery order and commits stay Faust's own. What is different, and what each difference relies on (Faust 0.15.3):

Fetching (``_drain_messages``). Fetched lists wait per partition, cut to the size ``app.hot_topics`` gives. An agent is offered
    ``_OFFERED`` batches per topic beyond the one it works on; of those that wait, the partition with the smallest ``app.partition_rank``
    goes first. A partition with enough waiting is left out of the next fetch, which is how aiokafka pauses one: its fetcher keeps what
    it has and asks for no more.
Acknowledgement (``_new_offset``). The offered messages of a partition are kept in order. The committable offset is the last offset + 1
    of the longest run of acknowledged ones from the oldest on; acknowledgements may come in any order. A message is recognised by
    identity, so one from before a rebalance or a seek can never acknowledge its successor with the same offset.
Seeks and rebalances (``seek``, ``perform_seek``, ``on_partitions_revoked``). What waits or is offered for a moved partition is
    forgotten, and what a fetch brings that was under way meanwhile is put back: the partition is moved once more, so no record is
    passed over. ``app.settle`` is awaited before partitions go, so that work whose effects are already leaving can still be committed;
    ``app.resumed`` is called whenever reading starts again at the committed offsets, and everything not committed must be forgotten
    then, because it will come again.
Recovery (``_restore``). Changelog records go into the table's store a list at a time, and Faust's recovery is told how far they reach.
    Nothing of a batch passes through its per-event queue, so nothing older can be applied after it.

The gap bookkeeping of stock Faust is not needed here: offsets inside a batch may have holes (compaction, transaction markers), the end of a
batch is what is committed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.utils.futures import notify

_OFFERED: Final = 2
"""Batches an agent is offered beyond the one it works on: enough that it never waits for us, few enough that order stays ours."""
_FETCH_SECONDS: Final = 1.0
_FETCH_BYTES: Final = 64 * 1024
"""What a fetch waits for, as long as it may: answered for every single record, the broker would do little else."""
_IDLE_SECONDS: Final = 0.05


class Batch:
    """Consecutive records of one partition; ``taken()`` says that the agent has begun with it, so that the next may be offered."""

    __slots__ = ("_taken", "records")

    def __init__(self, records: Sequence[Any], taken: Callable[[], None]) -> None:
        self.records = records
        self._taken: Callable[[], None] | None = taken

    def taken(self) -> None:
        """Make room for the next batch; calling it again does nothing."""
        if self._taken is not None:
            self._taken()
            self._taken = None


class BatchTopic(faust.Topic):
    """A topic whose values reach the agent as they are: a :class:`Batch`, or the record's bytes on the stock path."""

    def _compile_decode(self) -> None:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return self.app.create_event(message.key, message.value, message.headers, message)

        self.decode = decode


class BatchApp(faust.App):
    """A Faust app with hot topics; the hooks are no-ops until somebody needs them."""

    hot_topics: Mapping[str, int] = {}
    """Full name of each topic that comes in batches -> the most records of one batch; the preferred topic first."""
    fetch_wait_ms: int = 100
    partition_rank: Callable[[TP], float]
    settle: Callable[[], Awaitable[None]]
    resumed: Callable[[Mapping[TP, int | None]], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partition_rank = lambda _tp: 0.0
        self.settle = _nothing_to_settle
        self.resumed = lambda _committed: None
        self.transport.Consumer = BatchConsumer

    def _create_directories(self) -> None:
        """Nothing on disk: the tables live in memory and in their changelogs. Stock Faust leaves a folder where it was started."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        # stock Faust would start the agent again behind the batch that failed, and nothing of its partition would ever be committed
        await self.crash(exc)


async def _nothing_to_settle() -> None:
    return


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's aiokafka thread with a fetch wait fit for people who wait: Faust fixes it at 1.5 s."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.app.fetch_wait_ms
        consumer._fetch_min_bytes = _FETCH_BYTES
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's aiokafka consumer with a batch path for ``app.hot_topics``; without hot topics it is the stock one plus the hooks."""

    app: BatchApp

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._waiting: defaultdict[TP, deque[list[Any]]] = defaultdict(deque)
        self._offered: defaultdict[TP, deque[Any]] = defaultdict(deque)
        self._safe: dict[TP, int] = {}
        self._untaken: defaultdict[str, int] = defaultdict(int)
        self._moved: set[TP] = set()
        """Partitions that were moved since the fetch under way was begun."""
        self._sought: dict[TP, int | None] = {}
        """Where each partition was last moved to; None is the beginning of its log."""
        self._room = asyncio.Event()
        self._seeking = asyncio.Lock()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- fetching

    async def _drain_messages(self, fetcher: Any) -> None:
        if not self.app.hot_topics:
            await super()._drain_messages(fetcher)
            return
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._drain_once()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _drain_once(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        self._moved.clear()
        records, active = await self._wait_next_records(_FETCH_SECONDS)
        for tp, batch in (records or {}).items():
            tp = ensure_TP(tp)
            if not batch:
                continue
            if not self.flow_active or tp in self._moved or (active is not None and tp not in active):
                await self._put_back(tp, batch)
            elif tp.topic in self.app.hot_topics:
                size = self.app.hot_topics[tp.topic]
                self._waiting[tp].extend(batch[at : at + size] for at in range(0, len(batch), size))
            elif self._is_changelog_tp(tp):
                self._restore(tp, batch)
            else:
                await self._pass_singly(tp, batch)
        if not await self._offer_waiting() and self.behind:
            self._room.clear()
            await self.wait(self._room, timeout=_IDLE_SECONDS)
        await asyncio.sleep(0)

    async def _put_back(self, tp: TP, batch: Sequence[Any]) -> None:
        """Records that came while their partition was stopped or moved: they are to be read again, from where it was moved to."""
        async with self._seeking:
            offset = self._sought.get(tp) if tp in self._moved else batch[0].offset
            # not ours any more: whoever has it now starts at the committed offset
            with suppress(IllegalStateError):
                if offset is None:
                    await self._thread.seek_to_beginning(driver.ensure_aiokafka_TP(tp))
                else:
                    await self._seek(tp, offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, Sequence[Any]]:
        if not self.app.hot_topics or active_partitions is None:
            return await super()._getmany(active_partitions, timeout)  # type: ignore[no-any-return]
        hungry = {tp for tp in active_partitions if len(self._waiting.get(tp, ())) < 2}
        if not hungry:
            return {}
        # with something in hand, look without waiting; an empty set would mean every partition
        return await super()._getmany(hungry, 0 if self.behind else timeout)  # type: ignore[no-any-return]

    async def _pass_singly(self, tp: TP, batch: Sequence[Any]) -> None:
        for number, record in enumerate(batch):
            if not self.flow_active or tp in self._moved:
                await self._put_back(tp, batch[number:])
                return
            await self.wait_first(self.callback(self._to_message(tp, record)), self.suspend_flow.wait())
            self._read_offset[tp] = record.offset

    async def _offer_waiting(self) -> bool:
        offered = False
        for topic in self.app.hot_topics:
            while self._untaken[topic] < _OFFERED:
                ready = [tp for tp, batches in self._waiting.items() if batches and tp.topic == topic]
                if not ready:
                    break
                tp = min(ready, key=self.app.partition_rank)
                if not self.flow_active:
                    return offered
                await self._offer(tp, self._waiting[tp].popleft())
                offered = True
        return offered

    async def _offer(self, tp: TP, records: list[Any]) -> None:
        self._untaken[tp.topic] += 1
        last = records[-1]
        message = ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, None, None,
            Batch(records, lambda: self._taken(tp.topic)), None, 0, 0, tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        self._offered[tp].append(message)
        self._read_offset[tp] = last.offset
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def _taken(self, topic: str) -> None:
        self._untaken[topic] = max(0, self._untaken[topic] - 1)
        self._room.set()

    @property
    def lag(self) -> int:
        """Records of assigned partitions that are not committed yet, as far as is known."""
        if not self.started or self.should_stop:
            return 0
        lag = 0
        for tp in self.assignment():
            if not self._is_changelog_tp(tp):
                end = self.highwater(tp)
                lag += max(0, (end or 0) - (self._committed_offset[tp] or 0))
        return lag

    @property
    def behind(self) -> bool:
        """Whether records of a hot topic have been fetched and not yet been offered."""
        return any(self._waiting.values())

    # -- acknowledgement

    def ack(self, message: Any) -> bool:
        """As stock; for a batch the message itself remembers, and only if it is still one of ours."""
        if message.topic not in self.app.hot_topics:
            return bool(super().ack(message))
        fresh = not message.acked
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return fresh

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from (tp for tp in super()._filter_tps_with_pending_acks(topics) if tp.topic not in self.app.hot_topics)
        for tp in list(self._offered):
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self.app.hot_topics:
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        offered = self._offered[tp]
        while offered and offered[0].acked:
            self._safe[tp] = offered.popleft().offset + 1
        # an agent that acknowledges by iterating fills these lists too (Faust inlines that in Cython): they say nothing about batches
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        return self._safe.get(tp)

    # -- seeks and rebalances

    def _forget(self, tps: Iterable[TP]) -> None:
        for tp in {ensure_TP(one) for one in tps}:
            self._moved.add(tp)
            self._waiting.pop(tp, None)
            self._offered.pop(tp, None)
            self._safe.pop(tp, None)

    async def seek(self, partition: TP, offset: int) -> None:
        """Seek one partition; batches of it that were not acknowledged yet are void."""
        self._move({partition: offset})
        await super().seek(partition, offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek several partitions and wait until they are there."""
        self._move(partitions)
        await super().seek_wait(partitions)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets everywhere."""
        async with self._seeking:
            self._forget(self.assignment())
            self._untaken.clear()
            await super().perform_seek()
            committed = {tp: self._committed_offset[tp] for tp in self.assignment()}
            self._move(committed)
        self.app.resumed(committed)

    def _move(self, to: Mapping[TP, int | None]) -> None:
        self._sought.update((ensure_TP(tp), offset) for tp, offset in to.items())
        self._forget(to)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let effects that are already leaving arrive and be committed, then give the partitions back."""
        self.stop_flow()
        await self.app.settle()
        if self.assignment():
            await self.commit()
        self._forget(revoked)
        self._untaken.clear()
        await super().on_partitions_revoked(revoked)

    # -- recovery

    def _restore(self, tp: TP, records: Sequence[Any]) -> None:
        recovery = self.app.tables.recovery
        table = recovery.tp_to_table.get(tp)
        if table is None or tp not in recovery.active_tps or not recovery.in_recovery:
            return
        store = table.data
        reached = recovery.active_offsets[tp]
        for record in records:
            if reached is not None and record.offset <= reached:
                continue
            if record.value is None:
                store.data.pop(record.key, None)
            else:
                store.data[record.key] = record.value
                store._key_partition[record.key] = tp.partition
        if reached is None or records[-1].offset > reached:
            recovery.active_offsets[tp] = records[-1].offset
        self._read_offset[tp] = records[-1].offset
        if not recovery.need_recovery():
            # still "in recovery" until the one who waits has woken: should it not wait yet, Faust's own loop signals once more
            recovery.signal_recovery_end.set()
