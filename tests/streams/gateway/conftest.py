"""A gateway in the test's own loop on topics of its own, clients of every role, and somebody who answers as told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import FastAPI

from clickhouse.settings import StoreSettings
from schemas.audit import Answer, Finding, Patient, Question, decode_question, encode
from schemas.topics import AUDIT_REPLIES, AUDIT_REQUESTS
from streams.access import issue_token
from streams.app import ensure_topics
from streams.gateway.app import Gateway, build
from streams.gateway.settings import GatewaySettings
from tests.streams.gateway.messages import HERE, audit
from tests.streams.gateway.process import Process

PARTITIONS = 4
NOBODY = Patient(person_id="", visits=[], medication=[], series=[], findings=[], counts={"1": 0, "7": 0})


@dataclass(frozen=True)
class Doors:
    """A tokens file with one client per role, and the token of each."""

    path: Path
    tokens: dict[str, str]

    def header(self, role: str = "his") -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[role]}"}


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    path = tmp_path / "tokens.toml"
    tokens = {role: issue_token(path, name=role, role=role) for role in ("supervisor", "oncall", "admin")}  # type: ignore[arg-type]
    tokens["office"] = issue_token(path, name="office", role="office", institution_id=HERE)
    tokens["his"] = issue_token(path, name="his", role="his", institution_id=HERE)
    tokens["other"] = issue_token(path, name="other", role="his", institution_id="H31010100002")
    return Doors(path, tokens)


@pytest.fixture
async def settings(kafka: str, topic_prefix: Callable[[], str], doors: Doors) -> GatewaySettings:
    """Topics that are there."""
    made = GatewaySettings(kafka=kafka, topic_prefix=topic_prefix(), partitions=PARTITIONS, tokens=doors.path)
    await ensure_topics(made)
    return made


@pytest.fixture
def away(doors: Doors) -> GatewaySettings:
    """A broker that is not there."""
    return GatewaySettings(kafka="127.0.0.1:9", partitions=PARTITIONS, tokens=doors.path)


@dataclass
class Served:
    """A gateway that runs, and a client on it."""

    app: FastAPI
    client: httpx.AsyncClient
    doors: Doors

    @property
    def parts(self) -> Gateway:
        gateway: Gateway = self.app.state.gateway
        return gateway

    async def audit(self, body: dict[str, Any] | None = None, role: str = "his", infno: str = "") -> httpx.Response:
        body = audit() if body is None else body
        return await self.client.post(f"/api/{infno or body['infno']}", json=body, headers=self.doors.header(role))

    async def metrics(self) -> str:
        return (await self.client.get("/metrics")).text


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Runs gateways: ``async with serve(settings) as served``, with a store where one is given."""
    monkeypatch.setattr("streams.gateway.app._CONNECT_SECONDS", 20.0)

    @asynccontextmanager
    async def run(settings: GatewaySettings, store: StoreSettings | None = None) -> AsyncIterator[Served]:
        if settings.kafka.endswith(":9"):
            monkeypatch.setattr("streams.gateway.app._CONNECT_SECONDS", 0.1)
            monkeypatch.setattr("streams.gateway.app._FLUSH_SECONDS", 0.1)
        app = build(settings, store)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
        ):
            yield Served(app, client, doors)

    return run


def _person(question: Question, answerer: Answerer) -> list[Answer]:
    patient = None
    if question.kind == "patient":
        patient = answerer.patient
    return [
        Answer(
            asks=question.asks, msgid=question.msgid, part="person",
            findings=[] if patient else answerer.findings, patient=patient,
        )
    ]  # fmt: skip


@dataclass
class Answerer:
    """Somebody in the worker's place; ``reply`` says what goes back for a question, in order."""

    findings: list[Finding] = field(default_factory=list)
    patient: Patient = NOBODY
    reply: Callable[[Question, Answerer], list[Answer]] = _person
    asked: list[Question] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    producer: Any = None

    async def run(self, settings: GatewaySettings, ready: asyncio.Event) -> None:
        topics = settings.topics
        self.producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await self.producer.start()
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topics.name(AUDIT_REQUESTS), number) for number in range(PARTITIONS)])
            ready.set()
            async for record in consumer:
                question = decode_question(record.value)
                self.asked.append(question)
                self.partitions.append(record.partition)
                for answer in self.reply(question, self):
                    await self.send(settings, question.reply_to, encode(answer))
        finally:
            await consumer.stop()
            await self.producer.stop()

    async def send(self, settings: GatewaySettings, partition: int, value: bytes) -> None:
        await self.producer.send_and_wait(settings.topics.name(AUDIT_REPLIES), value, partition=partition)


@pytest.fixture
async def answerer(settings: GatewaySettings) -> AsyncIterator[Answerer]:
    one, ready = Answerer(), asyncio.Event()
    running = asyncio.create_task(one.run(settings, ready))
    await ready.wait()
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until(true: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(**settings: str) -> Process:
        started.append(Process(**settings))
        return started[-1]

    yield begin
    for one in started:
        one.running.kill()
        one.running.wait()
