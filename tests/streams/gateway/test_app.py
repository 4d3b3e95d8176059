"""The gateway as hospitals meet it: over its own ASGI application, on the real broker."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from clickhouse.audits import find_finding
from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from schemas.audit import Record, Seen, decode_record
from schemas.topics import AUDIT_LOG, FEEDBACK
from streams.app import ensure_topics
from streams.gateway.settings import GatewaySettings
from tests.streams.gateway.conftest import NOBODY, PARTITIONS, Answerer, Serve, Served, until
from tests.streams.gateway.messages import HERE, NAMES, PERSON, audit, changed, feedback, finding
from tests.streams.installation import Installation

pytestmark = pytest.mark.embedded
SHORT = {"gateway_outpatient_seconds": 0.4, "gateway_inpatient_seconds": 0.8}


async def values(settings: GatewaySettings, topic: str) -> list[tuple[bytes, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.topics.name(topic), number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[bytes, bytes]] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found += [(record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


async def records(settings: GatewaySettings) -> list[Record]:
    return [decode_record(value) for _, value in await values(settings, AUDIT_LOG)]


def a_reply(told: dict[str, Any]) -> dict[str, Any]:
    assert set(told) == {"infcode", "inf_refmsgid", "refmsg_time", "respond_time", "err_msg", "output"}
    assert re.fullmatch(r"\d{30}", told["inf_refmsgid"])
    return told


async def test_an_audit_is_asked_answered_and_kept(settings: GatewaySettings, answerer: Answerer, serve: Serve) -> None:
    answerer.findings = [finding(), finding(light="green", rule_id="frequent_visits.rolling_count")]
    async with serve(settings) as served:
        asked = await served.audit()
        assert asked.status_code == 200
        told = a_reply(asked.json())
        assert told["infcode"] == 0
        (result,) = told["output"]["result"]
        assert (result["patn_id"], result["rule_id"]) == (PERSON, "frequent_visits.days_supply")
        metrics = await served.metrics()
    (question,) = answerer.asked
    assert question.kind == "bill"
    assert question.bill is not None
    assert question.bill.person_id == question.person_id == PERSON
    (kept,) = await records(settings)
    assert json.loads(kept.answer) == told
    assert [(jr_id == result["jr_id"], one.light) for jr_id, one in kept.findings] == [(True, "red"), (False, "green")]
    assert (kept.client, kept.institution_id, kept.infno, kept.undecided) == ("his", HERE, "3102", False)
    assert not [name for name in NAMES if name in kept.request + kept.answer]
    assert 'fundwatch_gateway_audits_total{infno="3102",undecided="no"} 1.0' in metrics
    assert 'fundwatch_gateway_findings_total{light="red",rule_id="frequent_visits.days_supply"} 1.0' in metrics


async def test_the_same_message_gets_the_same_bytes_and_is_asked_once(
    settings: GatewaySettings, answerer: Answerer, serve: Serve
) -> None:
    answerer.findings = [finding()]
    async with serve(settings) as served:
        together = await asyncio.gather(*(served.audit() for _ in range(5)))
        later = await served.audit()
        assert {one.content for one in (*together, later)} == {later.content}
        # another spelling of the same message is the same message
        shuffled = dict(sorted(audit().items(), reverse=True))
        assert (await served.audit(shuffled)).content == later.content
        other = await served.audit(changed(audit(), "input.data.patient_dtos[0].gend", "2"))
        assert other.status_code == 409
        assert a_reply(other.json())["err_msg"].startswith("msgid: ")
        assert other.json()["infcode"] < 0
    assert len(answerer.asked) == 1

    async with serve(settings) as again, serve(settings.model_copy(update={"gateway_instance": "b-1"})) as second:
        assert (await again.audit()).content == later.content
        assert (await second.audit()).content == later.content
        await second.audit(audit("3101"))  # under the same msgid, but another transaction
        fresh = audit() | {"msgid": f"{HERE}202506030910000002"}
        first = await again.audit(fresh)
        await until(lambda: second.parts.kept.find(HERE, fresh["msgid"]) is not None)
        assert (await second.audit(fresh)).content == first.content
    assert len(answerer.asked) == 2


async def test_nobody_answers_then_it_is_undecided_in_time_and_stays_so(
    settings: GatewaySettings, serve: Serve
) -> None:
    async with serve(settings.model_copy(update=SHORT)) as served:
        begun = time.monotonic()
        told = (await served.audit()).json()
        assert time.monotonic() - begun < 2
        assert told["infcode"] == 0
        assert told["output"] == {"result": [], "undecided": True}
        assert (await served.audit()).json() == told
    (kept,) = await records(settings)
    assert kept.undecided


async def test_a_broker_that_is_away_never_harms_a_hospital(away: GatewaySettings, serve: Serve) -> None:
    async with serve(away) as served:
        begun = time.monotonic()
        told = await served.audit()
        assert time.monotonic() - begun < 1
        assert told.status_code == 200
        assert told.json()["output"] == {"result": [], "undecided": True}
        ready = await served.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "waiting")
        assert (await served.client.get("/healthz")).json() == {"status": "ok"}


async def test_several_persons_are_asked_at_once_and_one_undecided_leaves_all_so(
    settings: GatewaySettings, answerer: Answerer, serve: Serve
) -> None:
    two = audit()
    second = copy.deepcopy(two["input"]["data"]["patient_dtos"][0]) | {"patn_id": "P2"}
    two["input"]["data"]["patient_dtos"].append(second)
    answerer.findings = [finding()]
    async with serve(settings.model_copy(update={"gateway_outpatient_seconds": 4.0})) as served:
        told = (await served.audit(two)).json()
        assert {one["patn_id"] for one in told["output"]["result"]} == {PERSON, "P2"}
        reply = answerer.reply
        answerer.reply = lambda question, one: [] if question.person_id == "P2" else reply(question, one)
        told = (await served.audit(two | {"msgid": f"{HERE}202506030910000002"})).json()
        assert told["output"] == {"result": [], "undecided": True}


async def test_a_registration_is_answered_with_a_masked_reminder(
    settings: GatewaySettings, answerer: Answerer, serve: Serve
) -> None:
    visits = [
        Seen(at="2025-06-01 08:00:00", institution_id=where, care=care, fund=42, generics=["A10BA02"])  # type: ignore[arg-type]
        for where, care in ((HERE, "outpatient"), ("P31010100009", "pharmacy"))
    ]
    answerer.patient = type(NOBODY)(
        person_id=PERSON, visits=visits, medication=[], series=[], findings=[], counts={"1": 0, "7": 2}
    )
    async with serve(settings) as served:
        told = (await served.audit(audit("3101", trig_scen="1"))).json()
        assert told["output"]["result"] == []
        (reminder,) = told["output"]["reminders"]
        assert reminder["patn_id"] == PERSON
        own, foreign = reminder["visits"]
        assert (own["institution_id"], own["fund"]) == (HERE, 42.0)
        assert foreign == {
            "at": "2025-06-01 08:00:00", "kind": "药店", "area": "310101", "care": "pharmacy", "generics": ["A10BA02"],
        }  # fmt: skip
        asked = {
            role: await served.client.get(f"/api/patients/{PERSON}", headers=served.doors.header(role))
            for role in served.doors.tokens
        }
    assert {role: one.status_code for role, one in asked.items()} == {
        "his": 200, "other": 200, "office": 200, "supervisor": 200, "admin": 200, "oncall": 403,
    }  # fmt: skip
    assert PERSON not in asked["office"].text
    assert asked["supervisor"].json()["psn_no"] == PERSON
    assert asked["supervisor"].json()["visits"][1]["institution_id"] == "P31010100009"
    assert "H31010100001" not in asked["other"].text
    assert answerer.asked[0].kind == "patient"


async def test_nothing_known_of_a_patient_in_time_is_said(settings: GatewaySettings, serve: Serve) -> None:
    async with serve(settings.model_copy(update=SHORT)) as served:
        asked = await served.client.get(f"/api/patients/{PERSON}", headers=served.doors.header("admin"))
        assert (asked.status_code, asked.json()["error"]) == (504, "undecided")


async def test_feedback_is_joined_to_its_finding(settings: GatewaySettings, answerer: Answerer, serve: Serve) -> None:
    answerer.findings = [finding()]
    async with serve(settings) as served:
        jr_id = (await served.audit()).json()["output"]["result"][0]["jr_id"]
        warn = {"warn_rslt_id": jr_id, "dspo_way": "1", "dspo_way_rea": "病情需要"}
        body = feedback(warns=[warn]) | {"msgid": f"{HERE}202506030910000009"}
        told = await served.audit(body)
        assert (told.status_code, told.json()["infcode"]) == (200, 0)
        assert (await served.audit(body)).content == told.content
        unknown = await served.audit(feedback() | {"msgid": f"{HERE}202506030910000010"})
        assert unknown.status_code == 400
        assert unknown.json()["err_msg"].startswith("input.data.warns[0].warn_rslt_id: ")
        foreign = changed(body, "fixmedins_code", "H31010100002")
        assert (await served.audit(foreign, "other")).json()["infcode"] == unknown.json()["infcode"]
    ((key, value),) = await values(settings, FEEDBACK)
    assert key.decode() == PERSON
    sent = orjson.loads(value)
    assert (sent["finding_id"], sent["continued"], sent["rule_id"]) == (jr_id, True, "frequent_visits.days_supply")
    assert sent["doctor_id"] == "D310101000001"
    kept = [one for one in await records(settings) if one.infno == "3103" and one.infcode == 0]
    assert [one.feedback for one in kept] == [[(jr_id, "1", "病情需要")]]


def has_logged(served: Served, msgid: str) -> bool:
    given = served.parts.kept.find(HERE, msgid)
    return given is not None and given.logged


async def test_feedback_on_what_is_no_longer_at_hand_is_joined_from_the_store(
    settings: GatewaySettings, answerer: Answerer, serve: Serve, store_settings: StoreSettings
) -> None:
    client = connect(store_settings)
    migrate(client)
    answerer.findings = [finding()]
    few = settings.model_copy(update={"gateway_kept_answers": 1})
    async with serve(few, store_settings) as served:
        jr_id = (await served.audit()).json()["output"]["result"][0]["jr_id"]
        warn = {"warn_rslt_id": jr_id, "dspo_way": "2", "dspo_way_rea": ""}
        body = feedback(warns=[warn]) | {"msgid": f"{HERE}202506030910000009"}
        # read from the log it would come back to hand
        await until(lambda: has_logged(served, audit()["msgid"]))
        await served.audit(audit() | {"msgid": f"{HERE}202506030910000002"})
        await until(lambda: served.parts.kept.shown(jr_id) is None)
        # it was told, but is stored nowhere yet
        refused = await served.audit(body)
        assert refused.json()["err_msg"].startswith("input.data.warns[0].warn_rslt_id: ")

        Sink(client).store_audits([one for one in await records(settings) if one.infcode == 0])
        foreign = changed(body, "fixmedins_code", "H31010100002")
        assert (await served.audit(foreign, "other")).json()["infcode"] == refused.json()["infcode"] < 0
        told = await served.audit(body)
        assert (told.status_code, told.json()["infcode"]) == (200, 0)
        assert served.parts.kept.shown(jr_id) is None
    ((key, value),) = await values(settings, FEEDBACK)
    sent = orjson.loads(value)
    assert (key.decode(), sent["person_id"]) == (PERSON, PERSON)
    assert (sent["finding_id"], sent["continued"], sent["rule_id"]) == (jr_id, False, "frequent_visits.days_supply")
    assert (sent["institution_id"], sent["doctor_id"]) == (HERE, "D310101000001")
    (kept,) = [one for one in await records(settings) if one.infno == "3103" and one.infcode == 0]
    assert (kept.feedback, kept.department_id, kept.person_ids) == ([(jr_id, "2", "")], "A03", [PERSON])
    Sink(client).store_audits([kept])
    row = find_finding(client, jr_id, institution_id=HERE)
    assert row is not None
    assert row["dspo_way"] == "2"


async def test_a_store_that_is_away_leaves_what_is_at_hand(
    settings: GatewaySettings, answerer: Answerer, serve: Serve
) -> None:
    answerer.findings = [finding()]
    nowhere = StoreSettings(clickhouse_url="http://127.0.0.1:9")
    async with serve(settings, nowhere) as served:
        jr_id = (await served.audit()).json()["output"]["result"][0]["jr_id"]
        unknown = await served.audit(feedback() | {"msgid": f"{HERE}202506030910000010"})
        assert unknown.json()["err_msg"].startswith("input.data.warns[0].warn_rslt_id: ")
        warn = {"warn_rslt_id": jr_id, "dspo_way": "2", "dspo_way_rea": ""}
        told = await served.audit(feedback(warns=[warn]) | {"msgid": f"{HERE}202506030910000009"})
        assert told.json()["infcode"] == 0


async def test_a_worker_without_audits_settles_and_requests_are_undecided_by_their_deadline(
    install: Callable[..., Installation], settings: GatewaySettings, serve: Serve
) -> None:
    """Nobody reads requests, and nobody stores what the gateway logs, until a worker may."""
    here = install(worker_audits="false")
    settings = settings.model_copy(update={"topic_prefix": here.prefix})
    await ensure_topics(settings)
    worker = here.start()
    await until(lambda: here.assignments(worker) > 0, 90)
    here.publish(
        json.dumps(
            {
                "event_id": f"E{hour}", "event_type": "SETTLE", "setl_id": f"S{hour}", "mdtrt_id": f"M1{hour}", "psn_no": PERSON,
                "med_type": "11", "setl_time": f"2025-06-03 0{hour}:00:00", "fixmedins_code": f"H{hour}", "medfee_sumamt": "100.00",
                "fund_pay_sumamt": "60.00",
            }
        ).encode()
        for hour in range(1, 9)
    )  # fmt: skip
    await until(lambda: here.settled() and len(here.stored("settlement")) == 8, 90)
    async with serve(settings.model_copy(update=SHORT)) as served:
        begun = time.monotonic()
        told = (await served.audit()).json()
        assert time.monotonic() - begun < 2
        assert told["output"] == {"result": [], "undecided": True}
    assert await asyncio.to_thread(here.stop, worker) == 0
    assert here.stored("audit") == []

    here.environment["FUNDWATCH_WORKER_AUDITS"] = "true"
    worker = here.start()
    await until(lambda: here.assignments(worker) > 0, 90)
    async with serve(settings.model_copy(update={"gateway_outpatient_seconds": 20.0})) as served:
        assert (await served.audit()).json() == told
        fresh = (await served.audit(audit() | {"msgid": f"{HERE}202506030910000002"})).json()
        assert "frequent_visits.rolling_count" in {one["rule_id"] for one in fresh["output"]["result"]}
    await until(lambda: len(here.stored("audit")) == 2, 90)
    assert await asyncio.to_thread(here.stop, worker) == 0


async def test_an_institution_speaks_for_itself_only(away: GatewaySettings, serve: Serve) -> None:
    async with serve(away) as served:
        asked = await served.audit(role="other")
        assert asked.status_code == 403
        assert a_reply(asked.json())["err_msg"].startswith("fixmedins_code: ")
        for role in ("office", "supervisor", "oncall", "admin"):
            assert (await served.audit(role=role)).status_code == 403


async def test_who_is_not_known_is_not_let_in(away: GatewaySettings, serve: Serve) -> None:
    async with serve(away) as served:
        for headers in ({}, {"authorization": "Bearer fw_guess"}, {"authorization": "Basic abc"}):
            for path in ("/api/3101", "/api/3102", "/api/3103"):
                asked = await served.client.post(path, json=audit(), headers=headers)
                assert asked.status_code == 401
                assert asked.headers["www-authenticate"] == "Bearer"
                assert a_reply(asked.json())["infcode"] < 0
            for path in (f"/api/patients/{PERSON}", "/api/thresholds"):
                asked = await served.client.get(path, headers=headers)
                assert (asked.status_code, asked.json()["error"]) == (401, "unauthenticated")


BROKEN: dict[str, tuple[bytes, str, int]] = {
    "not JSON": (b"{", "application/json", 400),
    "not an object": (b"[]", "application/json", 400),
    "empty": (b"", "application/json", 400),
    "not UTF-8": (b'{"infno": "\xff"}', "application/json", 400),
    "a lone surrogate": (rb'{"infno": "\ud800"}', "application/json", 400),
    "deep": (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "application/json", 400),
    "deeper": (b"[" * 100_000, "application/json", 400),
    "large": (b'{"a": "' + b"x" * 300_000 + b'"}', "application/json", 413),
    "a form": (b"a=1", "application/x-www-form-urlencoded", 415),
    "no type": (b"{}", "", 415),
    "another charset": (b"{}", "application/json; charset=gbk", 415),
    "not XML": (b"<a", "application/xml", 400),
    "another root": (b"<a/>", "application/xml", 400),
    "an entity": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "application/xml", 400),
    "deep XML": (b"<a>" * 5_000 + b"</a>" * 5_000, "text/xml", 400),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_body_is_told_in_the_national_envelope(away: GatewaySettings, serve: Serve, what: str) -> None:
    data, kind, status = BROKEN[what]
    async with serve(away) as served:
        headers = served.doors.header() | ({"content-type": kind} if kind else {})
        asked = await served.client.post("/api/3102", content=data, headers=headers)
    assert asked.status_code == status
    if "xml" in kind:
        assert asked.headers["content-type"].startswith("application/xml")
        assert b"<infcode>-" in asked.content
    else:
        assert a_reply(asked.json())["infcode"] < 0
        assert asked.json()["err_msg"]


async def test_a_body_of_unknown_length_is_read_no_further_than_allowed(away: GatewaySettings, serve: Serve) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 10_000:
            sent += 1
            yield b"x" * 1024

    async with serve(away) as served:
        headers = served.doors.header() | {"content-type": "application/json"}
        asked = await served.client.post("/api/3101", content=endless(), headers=headers)
    assert asked.status_code == 413


async def test_who_comes_too_often_is_told_when_to_come_again(away: GatewaySettings, serve: Serve) -> None:
    async with serve(away.model_copy(update={"gateway_rate": 0.5, "gateway_burst": 3})) as served:
        asked = [await served.audit() for _ in range(4)]
        assert [one.status_code for one in asked] == [200, 200, 200, 429]
        assert int(asked[-1].headers["retry-after"]) >= 1
        assert a_reply(asked[-1].json())["infcode"] < 0
        # others are not held up by it
        assert (await served.audit(role="other")).status_code == 403
        guesses = [await served.client.post("/api/3101", json={}) for _ in range(4)]
        assert [one.status_code for one in guesses] == [401, 401, 401, 429]
        assert 'fundwatch_gateway_refused_total{reason="rate"} 2.0' in await served.metrics()


async def test_no_trace_ever_leaves(away: GatewaySettings, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("streams.gateway.transactions.parse_audit", fail)
    monkeypatch.setattr("streams.gateway.transactions.Transactions.patient", fail)
    async with serve(away) as served:
        for asked in (
            await served.audit(),
            await served.client.get(f"/api/patients/{PERSON}", headers=served.doors.header("admin")),
        ):
            assert asked.status_code == 500
            assert "secret" not in asked.text
            assert "Traceback" not in asked.text
            assert "internal" in asked.text
        assert a_reply((await served.audit()).json())["infcode"] == -1


async def test_xml_is_answered_in_xml(settings: GatewaySettings, answerer: Answerer, serve: Serve) -> None:
    answerer.findings = [finding()]
    body = audit()
    xml = f"<request>{_elements(body)}</request>".encode()
    async with serve(settings) as served:
        headers = served.doors.header() | {"content-type": "application/xml; charset=utf-8"}
        asked = await served.client.post("/api/3102", content=xml, headers=headers)
        assert (asked.status_code, asked.headers["content-type"]) == (200, "application/xml; charset=utf-8")
        assert b"<rule_id>frequent_visits.days_supply</rule_id>" in asked.content
        again = await served.client.post("/api/3102", content=xml, headers=headers)
        assert again.content == asked.content
        wsdl = await served.client.get("/ws/audit?wsdl")
        assert wsdl.status_code == 200
        assert "http://gateway/ws/audit" in wsdl.text
        unknown = await served.client.post(
            "/ws/audit", content=b"<a/>", headers=served.doors.header() | {"content-type": "text/xml"}
        )
        assert 400 <= unknown.status_code < 500
    (kept,) = [one for one in await records(settings) if one.infcode == 0]
    assert kept.face == "xml"


def _elements(node: Any) -> str:
    if isinstance(node, dict):
        return "".join(
            "".join(f"<{name}>{_elements(one)}</{name}>" for one in (value if isinstance(value, list) else [value]))
            for name, value in node.items()
        )
    return str(node)


async def test_thresholds_are_seen_changed_and_raise_an_alarm(away: GatewaySettings, serve: Serve, doors: Any) -> None:
    async with serve(away.model_copy(update=SHORT)) as served:
        admin, watcher = served.doors.header("admin"), served.doors.header("supervisor")
        for number in range(12):
            await served.audit(audit() | {"msgid": f"{HERE}20250603091000{number:04d}"})
        listed = (await served.client.get("/api/thresholds", headers=watcher)).json()["thresholds"]
        by_name = {one["name"]: one for one in listed}
        assert by_name.keys() == {"undecided_share", "p99_seconds", "refused_share", "log_backlog"}
        assert by_name["undecided_share"]["measured"] == 1.0
        assert by_name["undecided_share"]["alarm"]
        assert by_name["undecided_share"]["since"]
        assert 'fundwatch_gateway_alarm{name="undecided_share"} 1.0' in await served.metrics()

        path = "/api/thresholds/undecided_share"
        assert (await served.client.put(path, json={"on": False}, headers=watcher)).status_code == 403
        changed = await served.client.put(path, json={"on": False}, headers=admin)
        assert (changed.status_code, changed.json()["alarm"]) == (200, False)
        assert 'fundwatch_gateway_alarm{name="undecided_share"} 0.0' in await served.metrics()
        changed = await served.client.put(path, json={"on": True, "value": 1.0}, headers=admin)
        assert (changed.json()["alarm"], changed.json()["value"]) == (False, 1.0)
        for wrong, field in (({"value": -1}, "value"), ({"valu": 1}, "valu"), ({"value": "x"}, "value"), ([], "body")):
            refused = await served.client.put(path, json=wrong, headers=admin)
            assert (refused.status_code, refused.json()["field"]) == (422, field)
        assert (await served.client.put("/api/thresholds/none", json={}, headers=admin)).status_code == 404


async def test_the_interface_describes_itself_without_another_host(away: GatewaySettings, serve: Serve) -> None:
    async with serve(away) as served:
        document = (await served.client.get("/openapi.json")).json()
        assert {"/api/3101", "/api/3102", "/api/3103", "/api/patients/{psn_no}", "/ws/audit", "/healthz"} <= set(
            document["paths"]
        )
        page = await served.client.get("/docs")
        assert page.status_code == 200
        assert "patn_id" in page.text
        assert "https://" not in page.text
        assert "<script" not in page.text
        for path in ("/docs", "/healthz", "/api/3101", "/nothing"):
            headers = (await served.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
        wrong = await served.client.get("/api/3101")
        assert wrong.status_code == 405
        assert wrong.json()["infcode"] < 0


async def test_without_tokens_nobody_is_let_in(away: GatewaySettings, serve: Serve) -> None:
    async with serve(away.model_copy(update={"tokens": None})) as served:
        assert (await served.audit()).status_code == 401


def test_a_tokens_file_that_is_not_there_is_said(away: GatewaySettings, tmp_path: Path) -> None:
    from streams.gateway.serve import main

    assert main(away.model_copy(update={"tokens": tmp_path / "missing.toml"}), StoreSettings()) == 2
