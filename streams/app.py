"""Puts the worker together: topics as they must exist, the Faust app with its two agents and tables, the flush between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from detectors.audit import Auditor
from detectors.filed import load_exceptions
from detectors.judge import Judge
from detectors.models.verdicts import load_verdicts
from detectors.parameters import load_rules
from detectors.reference import Reference
from detectors.state import PersonState, PlaceState
from schemas.instants import Calendar
from schemas.topics import FACTS, PERSON_STATE, PLACE_STATE, SETTLEMENTS, WORKER_GROUP
from streams.audit_log import AuditLog, AuditSink
from streams.audits import Audits
from streams.batches import BatchApp, BatchTopic
from streams.errors import BrokerError, TopicError
from streams.letters import Letters
from streams.meters import Meters
from streams.outbox import Outbox, Side
from streams.people import Cohorts, People
from streams.places import Places
from streams.sending import Sender
from streams.settings import StreamSettings
from streams.state import States, raw_table
from streams.storing import RowSink, Storing

_SETTLEMENTS_PER_BATCH: Final = 500
_FACT_RECORDS_PER_BATCH: Final = 2
"""Records of ``facts`` hold what a whole flush has for a partition."""
_SETTLE_SHARE: Final = 0.4
"""Of the session time, for a flush to arrive before partitions are given back."""
_STALL_SHARE: Final = 0.9
_TOPIC_EXISTS: Final = 36

log = structlog.get_logger(__name__)


@dataclass
class Parts:
    """A worker's parts, not started."""

    app: BatchApp
    judge: Judge
    outbox: Outbox
    people: People
    places: Places
    person_states: States[PersonState]
    place_states: States[PlaceState]
    sender: Sender
    storing: Storing
    letters: Letters
    audits: Audits | None
    audit_log: AuditLog | None
    """Both None where audits are switched off."""
    meters: Meters


def load_judge(settings: StreamSettings) -> Judge:
    """The judge these settings ask for. Raises detectors' errors for files that cannot be read."""
    rules = load_rules(settings.rules)
    return Judge(
        rules,
        Reference.load(settings.institutions, settings.drugs),
        Calendar(settings.timezone),
        load_exceptions(settings.exceptions, rules),
        load_verdicts(settings.verdicts),
    )


async def ensure_topics(settings: StreamSettings) -> None:
    """Create the topics that are missing.

    Raises :class:`TopicError` when one cannot be created or has another number of partitions than ``settings.partitions``, and
    :class:`BrokerError` when no broker answers.
    """
    wanted = {topic.name: topic for topic in settings.topics.all()}
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.split(","))
    try:
        await admin.start()
    except KafkaConnectionError:
        raise BrokerError(
            f"expected Kafka at {settings.kafka}, nothing answers there; start it or correct FUNDWATCH_KAFKA"
        ) from None
    try:
        missing = set(wanted) - set(await admin.list_topics())
        if missing:
            response = await admin.create_topics(
                [
                    NewTopic(topic.name, topic.partitions, settings.replication, topic_configs=dict(topic.config))
                    for topic in wanted.values()
                    if topic.name in missing
                ]
            )
            for name, code, *reason in response.topic_errors:
                if code not in (0, _TOPIC_EXISTS):
                    raise TopicError(f"expected Kafka to create the topic {name}, it answered {code}: {reason}")
        for found in await admin.describe_topics(list(wanted)):
            name, partitions = found["topic"], len(found["partitions"])
            if partitions and partitions != wanted[name].partitions:
                raise TopicError(
                    f"expected {wanted[name].partitions} partitions of {name}, it has {partitions}; "
                    "set FUNDWATCH_PARTITIONS to that number, or use another FUNDWATCH_TOPIC_PREFIX"
                )
    finally:
        await admin.close()


def build(
    settings: StreamSettings, judge: Judge, sink: RowSink, panels: RowSink, audit_sink: AuditSink | None = None
) -> Parts:
    """A worker on these settings; nothing is started and no connection made.

    ``sink`` takes rows, ``panels`` refreshes aggregates, ``audit_sink`` takes what gateways log (None: another worker does that).
    """
    topics, meters = settings.topics, Meters()
    app = BatchApp(
        topics.name(WORKER_GROUP),
        broker=";".join(f"kafka://{server.strip()}" for server in settings.kafka.split(",")),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        consumer_group_instance_id=settings.worker_instance or None,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=settings.worker_commit_seconds,
        broker_session_timeout=settings.worker_session_seconds,
        broker_heartbeat_interval=min(3.0, settings.worker_session_seconds / 4),
        broker_max_poll_records=5_000,
        # a standby would take every changelog record of the others one by one; restoring takes a second or two
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        loghandlers=[],
        worker_redirect_stdouts=False,
    )
    app.fetch_wait_ms = settings.worker_fetch_wait_ms
    settlements, facts = topics.name(SETTLEMENTS), topics.name(FACTS)
    if settings.worker_path == "batch":
        # facts first: what was judged by person must not pile up before it is judged by place
        app.hot_topics = {facts: _FACT_RECORDS_PER_BATCH, settlements: _SETTLEMENTS_PER_BATCH}

    def load_person(person_id: str, data: bytes | None, partition: int) -> PersonState:
        return judge.person(person_id, data, cohorts.of(partition))

    def load_place(key: str, data: bytes | None, partition: int) -> PlaceState:
        kind, _, place_id = key.partition(":")
        return judge.place(kind, place_id, data)  # type: ignore[arg-type]

    limit = settings.worker_cached_states
    person_states = States[PersonState](
        app, raw_table(app, topics.name(PERSON_STATE), settings.partitions), load_person, prefix="person:", limit=limit
    )
    person_states.companions = cohorts = Cohorts(judge, person_states)
    place_states = States[PlaceState](
        app, raw_table(app, topics.name(PLACE_STATE), settings.partitions), load_place, limit=limit
    )
    sender, storing = Sender(settings.kafka), Storing(sink, panels, meters)
    outbox = Outbox(
        topics, judge, sender, storing, meters,
        seconds=settings.worker_flush_seconds, events=settings.worker_flush_events, stall=settings.worker_session_seconds * _STALL_SHARE,
    )  # fmt: skip

    async def ask_spans() -> Mapping[int, tuple[int, int]]:
        tps = [TP(settlements, partition) for partition in range(settings.partitions)]
        first, end = await asyncio.gather(app.consumer.earliest_offsets(*tps), app.consumer.highwaters(*tps))
        return {tp.partition: (first[tp], end[tp]) for tp in tps}

    people = People(settlements, settings.partitions, judge, Side("people", person_states), outbox, meters)
    places = Places(facts, settings.partitions, judge, Side("places", place_states), outbox, meters, ask_spans)

    app.agent(BatchTopic(app, topics=[settlements]), name="people")(people.agent)
    app.agent(BatchTopic(app, topics=[facts]), name="places")(places.agent)

    letters = Letters(topics, sender, storing, meters)
    audits = audit_log = None
    if settings.worker_audits:

        async def ask_ends(tps: Iterable[TP]) -> Mapping[TP, int]:
            ends: Mapping[TP, int] = await app.consumer.highwaters(*tps)
            return ends

        audits = Audits(
            settings.kafka,
            topics,
            Auditor(judge),
            person_states,
            place_states,
            people,
            places,
            ask_ends,
            letters,
            meters,
        )
        if audit_sink is not None:
            audit_log = AuditLog(
                settings.kafka, topics, audit_sink, letters, meters, session=settings.worker_session_seconds
            )

    async def settle() -> None:
        if audits is not None:
            audits.pause()
        meters.rebalances += 1
        await outbox.settle(settings.worker_session_seconds * _SETTLE_SHARE)

    def resumed(committed: Mapping[TP, int | None]) -> None:
        outbox.forget()
        people.resumed(committed)
        places.resumed(committed)
        if audits is not None:
            audits.resumed(committed)
        held = sorted(tp.partition for tp in committed if tp.topic == settlements)
        log.info("partitions.assigned", settlements=held, persons=len(person_states), places=len(place_states))

    app.partition_rank = lambda tp: people.rank(tp.partition) if tp.topic == settlements else tp.partition
    app.settle, app.resumed = settle, resumed
    outbox.more_waits = lambda: bool(app.hot_topics) and app.consumer.behind
    return Parts(
        app,
        judge,
        outbox,
        people,
        places,
        person_states,
        place_states,
        sender,
        storing,
        letters,
        audits,
        audit_log,
        meters,
    )
