"""The notifier as a process: every alert reaches every receiver that wants it, whoever is sick, killed or slow."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from standardwebhooks import Webhook

from schemas.alert import Alert, encode_alert
from schemas.topics import ALERTS, DELIVERIES
from streams.app import ensure_topics
from streams.machine import free_port
from streams.notifier.records import Delivery, decode
from streams.notifier.settings import NotifierSettings
from tests.fixtures_clickhouse import alert
from tests.streams.notifier.receiving import Receiving

pytestmark = pytest.mark.embedded
PARTITIONS = 4
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
GRAFANA_SECRET = "between-grafana-and-us"


class Office:
    """An installation with a notifier process."""

    def __init__(self, kafka: str, prefix: str, folder: Path, store: Client) -> None:
        self.folder, self.store = folder, store
        self.settings = NotifierSettings(
            kafka=kafka, topic_prefix=prefix, partitions=PARTITIONS, webhooks=folder / "receivers.toml",
            webhook_allow="127.0.0.1",
        )  # fmt: skip
        self.kafka, self.prefix = kafka, prefix
        self.port = free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")} | {
            "FUNDWATCH_KAFKA": kafka,
            "FUNDWATCH_TOPIC_PREFIX": prefix,
            "FUNDWATCH_PARTITIONS": str(PARTITIONS),
            "FUNDWATCH_CLICKHOUSE_URL": store.url,
            "FUNDWATCH_CLICKHOUSE_DATABASE": str(store.database),
            "FUNDWATCH_WEBHOOKS": str(folder / "receivers.toml"),
            "FUNDWATCH_WEBHOOK_ALLOW": "127.0.0.1",
            "FUNDWATCH_NOTIFIER_PORT": str(self.port),
            "FUNDWATCH_NOTIFIER_INSTANCE": "test",
            "FUNDWATCH_NOTIFIER_SESSION_SECONDS": "6",
            "FUNDWATCH_NOTIFIER_RETRY_SECONDS": "0.1",
            "FUNDWATCH_NOTIFIER_RETRY_LONGEST_SECONDS": "0.5",
            "FUNDWATCH_NOTIFIER_BREAKER_SECONDS": "0.2",
            "FUNDWATCH_GRAFANA_WEBHOOK_SECRET": GRAFANA_SECRET,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def receivers(self, *entries: dict[str, Any]) -> None:
        text = "\n".join(
            "[[receiver]]\n" + "\n".join(f"{name} = {orjson.dumps(value).decode()}" for name, value in entry.items())
            for entry in entries
        )
        fresh = self.folder / "receivers.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "receivers.toml")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fundwatch", "notifier"], env=self.environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    async def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 30)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def ready(self) -> None:
        async def answers() -> bool:
            try:
                async with httpx.AsyncClient() as client:
                    return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await self.wait(answers)

    def publish(self, *alerts: Alert | bytes) -> None:
        producer = Producer({"bootstrap.servers": self.kafka, "partitioner": "murmur2_random", "linger.ms": 5})
        for one in alerts:
            key, value = ("x", one) if isinstance(one, bytes) else (one.subject_id, encode_alert(one))
            producer.produce(self.prefix + ALERTS, value, key)
            producer.poll(0)
        assert producer.flush(30) == 0

    def deliveries(self) -> dict[tuple[str, str], Delivery]:
        """The last word on each, as the topic has it."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "unused", "enable.auto.commit": False})
        found: dict[tuple[str, str], Delivery] = {}
        try:
            for partition in range(PARTITIONS):
                place = TopicPartition(self.prefix + DELIVERIES, partition, 0)
                end = self._end(consumer, place)
                if not end:
                    continue
                consumer.assign([place])
                reached = 0
                while reached < end:
                    message = consumer.poll(5)
                    assert message is not None
                    assert message.error() is None
                    reached = message.offset() + 1
                    record = decode(message.value())
                    if isinstance(record, Delivery):
                        found[(record.alert_id, record.receiver)] = record
        finally:
            consumer.close()
        return found

    def _end(self, consumer: Consumer, place: TopicPartition) -> int:
        deadline = time.monotonic() + 30
        while True:
            try:
                return int(consumer.get_watermark_offsets(place)[1])
            except KafkaException:  # a topic made a moment ago has no leader yet
                assert time.monotonic() < deadline
                time.sleep(0.1)

    async def wait(self, until: Callable[[], Any | Awaitable[Any]], seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while True:
            # on a thread: the receivers of the test answer from this loop
            true = await until() if iscoroutinefunction(until) else await asyncio.to_thread(until)
            if true:
                return
            assert time.monotonic() < deadline, self.log()[-6_000:]
            await asyncio.sleep(0.05)


@pytest.fixture
async def office(kafka: str, topic_prefix: Callable[[], str], tmp_path: Path, store: Client) -> AsyncIterator[Office]:
    made = Office(kafka, topic_prefix(), tmp_path, store)
    await ensure_topics(made.settings)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def standard(name: str, receiving: Receiving, **fields: Any) -> dict[str, Any]:
    return {"name": name, "url": receiving.url, "secret": SECRET, "timeout": 20.0} | fields


def ids(receiving: Receiving) -> set[str]:
    return {one.headers["webhook-id"] for one in receiving.taken}


def in_turn(*behaviours: str) -> Callable[[int], str]:
    return lambda number: behaviours[number % len(behaviours)]


async def test_every_alert_reaches_everybody_though_receivers_are_sick_and_the_notifier_is_killed(
    office: Office,
) -> None:
    alerts = [alert(number, subject_id=f"S{number % 40}") for number in range(200)]
    wanted = {one.alert_id for one in alerts}
    async with (
        Receiving() as well,
        Receiving(in_turn("ok", "500", "ok", "reset", "rubbish", "ok", "ok", "429", "ok", "ok", "ok", "hang")) as sick,
        Receiving("hang") as dead,
    ):
        office.receivers(
            standard("well", well),
            standard("sick", sick, parallel=16, timeout=1.0),
            standard("dead", dead, timeout=1.0),
        )
        for round_ in range(4):
            office.start()
            office.publish(*alerts[round_ * 50 : (round_ + 1) * 50])
            await office.wait(lambda so_far=(round_ + 1) * 35: len(ids(well)) >= so_far)
            if round_ < 3:
                office.kill()
        await office.wait(lambda: ids(well) == wanted)
        assert ids(sick) != wanted or not ids(dead)
        await office.wait(lambda: ids(sick) == wanted)
        bodies = {one.headers["webhook-id"]: one.body for one in well.taken}
        assert {orjson.loads(body)["alert_id"] for body in bodies.values()} == wanted
        for one in [*well.got, *sick.got]:
            assert one.body == bodies[one.headers["webhook-id"]]
        told = Webhook(SECRET).verify(well.got[0].body, well.got[0].headers)
        assert told == orjson.loads(encode_alert(next(one for one in alerts if one.alert_id == told["alert_id"])))
        for receiving in (well, sick):
            _in_order(receiving, alerts)
        assert await office.stop() == 0
        count = (
            "SELECT countIf(receiver = 'well' AND state = 'delivered'), countIf(receiver = 'sick' AND state = 'delivered'),"
            " countIf(receiver = 'dead' AND state = 'delivered') FROM deliveries"
        )
        office.start()
        await office.wait(lambda: office.store.query(count).result_rows == [(200, 200, 0)])
        tried = office.store.query(
            "SELECT countIf(state = 'delivered'), countIf(state = 'failed') > 20 FROM delivery_attempts WHERE receiver = 'sick'"
        )
        assert tried.result_rows == [(200, True)]


def _in_order(receiving: Receiving, alerts: list[Alert]) -> None:
    """First deliveries of one subject come in the order they were published."""
    place = {one.alert_id: number for number, one in enumerate(alerts)}
    subject = {one.alert_id: one.subject_id for one in alerts}
    first = list(dict.fromkeys(one.headers["webhook-id"] for one in receiving.taken))
    by_subject: dict[str, list[int]] = {}
    for alert_id in first:
        by_subject.setdefault(subject[alert_id], []).append(place[alert_id])
    assert all(numbers == sorted(numbers) for numbers in by_subject.values())


async def test_who_was_told_is_not_told_again_after_a_restart(office: Office) -> None:
    alerts = [alert(number) for number in range(20)]
    async with Receiving() as well:
        office.receivers(standard("well", well))
        office.start()
        office.publish(*alerts, b"{", encode_alert(alert(99, shadow=True)))
        await office.wait(lambda: len(well.got) == 20)
        await office.wait(lambda: all(one.state == "delivered" for one in office.deliveries().values()))
        office.kill()
        office.start()
        office.publish(alert(50))
        await office.wait(lambda: len(well.got) > 20)
        assert Counter(one.headers["webhook-id"] for one in well.got).most_common(1)[0][1] == 1
        assert "alerts.unreadable" in office.log()
        assert alert(99).alert_id not in ids(well)


async def test_what_was_given_up_is_sent_again_by_command(office: Office) -> None:
    async with Receiving("500") as sick, Receiving("410") as gone:
        office.receivers(standard("sick", sick, give_up_hours=0.0002), standard("gone", gone))
        office.start()
        office.publish(alert(1), alert(2))
        await office.wait(lambda: [one.state for one in office.deliveries().values()] == ["given_up"] * 4)
        tried = [one.last for one in office.deliveries().values() if one.receiver == "gone"]
        assert [one.number for one in tried if one] == [1, 1]
        rows = "SELECT receiver, count() FROM deliveries WHERE state = 'given_up' GROUP BY receiver ORDER BY receiver"
        await office.wait(lambda: office.store.query(rows).result_rows == [("gone", 2), ("sick", 2)])
        sick.behaviour = gone.behaviour = "ok"
        command = [sys.executable, "-m", "fundwatch", "notifier", "resend", "--receiver"]
        done = await asyncio.to_thread(
            subprocess.run, [*command, "sick"], env=office.environment, capture_output=True, text=True, check=False
        )
        assert done.stdout == "2 given up alerts are to be sent again\n", done.stderr
        await office.wait(lambda: ids(sick) == {alert(1).alert_id, alert(2).alert_id})
        await office.wait(lambda: Counter(one.state for one in office.deliveries().values())["delivered"] == 2)
        assert not gone.taken
        wrong = await asyncio.to_thread(
            subprocess.run, [*command, "nobody"], env=office.environment, capture_output=True, text=True, check=False
        )
        assert (wrong.returncode, "nobody" in wrong.stderr) == (1, True)


async def test_receivers_are_read_again_and_a_bad_file_keeps_the_old_ones(office: Office) -> None:
    async with Receiving() as first, Receiving() as second:
        office.receivers(standard("first", first))
        office.start()
        office.publish(alert(1))
        await office.wait(lambda: len(first.got) == 1)
        office.receivers(standard("first", first), {"name": "second", "url": second.url, "colour": "red"})
        await office.wait(lambda: "receivers.kept_old" in office.log())
        assert "colour" in office.log()
        office.publish(alert(2))
        await office.wait(lambda: len(first.got) == 2)
        office.receivers(standard("first", first), standard("second", second))
        await office.wait(lambda: "receivers.read" in office.log())
        office.publish(alert(3))
        await office.wait(lambda: (len(first.got), len(second.got)) == (3, 1))


async def test_a_revision_is_told_when_it_is_worse_and_its_end_to_those_who_knew(office: Office) -> None:
    base = alert(1, light="yellow", event_ids=["E1", "E2"])
    async with Receiving() as all_, Receiving() as reds:
        office.receivers(standard("all", all_), standard("reds", reds, lights=["red"]))
        office.start()

        def told(receiving: Receiving) -> list[int]:
            return [orjson.loads(one.body)["revision"] for one in receiving.got]

        office.publish(base)
        await office.wait(lambda: told(all_) == [1])
        await office.wait(lambda: all(one.state == "delivered" for one in office.deliveries().values()))
        office.publish(_revised(base, 2, event_ids=["E1", "E2", "E3"]), _revised(base, 3, light="red"))
        await office.wait(lambda: (told(all_), told(reds)) == ([1, 3], [3]))
        await office.wait(lambda: all(one.state == "delivered" for one in office.deliveries().values()))
        office.publish(_revised(base, 4, withdrawn=True), _revised(alert(2, light="yellow"), 2, withdrawn=True))
        await office.wait(lambda: (told(all_), told(reds)) == ([1, 3, 4], [3, 4]))
        assert {one.headers["webhook-id"] for one in all_.got} == {base.alert_id}


def _revised(base: Alert, revision: int, **fields: Any) -> Alert:
    import msgspec

    return msgspec.structs.replace(base, revision=revision, **fields)


async def test_people_get_summaries_of_a_storm_and_programs_every_alert(office: Office) -> None:
    alerts = [alert(number, institutions=[f"H{number % 2}"]) for number in range(150)]
    wanted = {one.alert_id for one in alerts}
    async with Receiving('robot:{"errcode":0,"errmsg":"ok"}') as robot, Receiving() as program:
        office.receivers(
            standard("program", program),
            {"name": "robot", "url": robot.url, "format": "wecom", "storm": 20, "rate": 60},
        )
        office.publish(*alerts)
        office.start()
        await office.wait(lambda: ids(program) == wanted)
        await office.wait(lambda: sum(one.storm for one in office.deliveries().values()) == 2)
        office.kill()
        office.start()
        told_of = "receiver = 'robot' AND state = 'delivered' AND alert_id NOT LIKE 'summary-%'"
        rows = f"SELECT uniqExact(alert_id), countIf(summary != '') > 100 FROM deliveries WHERE {told_of}"
        await office.wait(lambda: office.store.query(rows).result_rows == [(150, 1)])
        told = {
            one.alert_id for one in office.deliveries().values() if one.receiver == "robot" and one.state == "delivered"
        }
        assert wanted <= told
        assert len(robot.got) < 50, (
            "each process may tell twenty one by one before it sees the storm, and a few summaries"
        )
        texts = [orjson.loads(one.body)["markdown"]["content"] for one in robot.got]
        assert any("同一规则同一地点集中预警" in text for text in texts)
        assert all(len(text.encode()) <= 4_096 for text in texts)
        assert not any(one.persons[0] in text for one in alerts for text in texts)


async def test_grafanas_alerts_are_told_once_and_again_when_they_are_over(office: Office) -> None:
    async with Receiving() as ops, Receiving() as clinical:
        office.receivers(
            standard("ops", ops, families=["operations"]), standard("clinical", clinical, families=["frequent_visits"])
        )
        office.start()
        await office.ready()
        firing = _grafana("firing")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{office.port}") as client:
            assert (await client.post("/grafana", content=firing)).status_code == 401
            assert (await client.post("/grafana", content=firing, headers=_signed(firing, "0"))).status_code == 401
            assert (await client.post("/grafana", content=b"[]", headers=_signed(b"[]"))).status_code == 400
            for body in (firing, firing, _grafana("resolved")):
                answer = await client.post("/grafana", content=body, headers=_signed(body))
                assert answer.json() == {"taken": 1}
            await office.wait(lambda: ops.got and orjson.loads(ops.got[-1].body)["revision"] == 2)
            metrics = (await client.get("/metrics")).text
        assert 'fundwatch_notifier_attempts_total{outcome="delivered",receiver="ops"}' in metrics
        assert [orjson.loads(one.body)["family"] for one in ops.got] == ["operations"] * len(ops.got)
        assert len(ops.got) <= 2
        assert clinical.got == []


def _grafana(status: str) -> bytes:
    return orjson.dumps(
        {
            "status": status,
            "alerts": [
                {
                    "status": status, "labels": {"alertname": "No settlements", "severity": "critical"},
                    "annotations": {"summary": "5 分钟没有结算数据"}, "startsAt": "2026-03-02T08:00:00Z", "fingerprint": "c6eadffa33fcdf37",
                }
            ],
        }
    )  # fmt: skip


def _signed(body: bytes, at: str = "") -> dict[str, str]:
    import hashlib
    import hmac

    stamp = at or str(int(time.time()))
    digest = hmac.new(GRAFANA_SECRET.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Grafana-Alerting-Signature": digest, "X-Grafana-Alerting-Timestamp": stamp}
