"""How deliveries change, and that nothing is forgotten wherever a kill comes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.alert import Alert, encode_alert
from streams.notifier.book import Book
from streams.notifier.notice import read_notice, told
from streams.notifier.receivers import Receiver
from streams.notifier.records import Attempt, Delivery, Key, Outcome, decode, encode
from tests.fixtures_clickhouse import alert

RECEIVER = Receiver.model_validate({"name": "r", "url": "https://r.example", "format": "wecom"})
KEY = Key(alert(1).alert_id, "r")


def hear(book: Book, one: Alert, order: int = 0) -> list[Delivery]:
    raw = encode_alert(one)
    return book.hear(raw, read_notice(raw), {"r": RECEIVER}, {}, 1_000, order)


def attempt(book: Book, outcome: Outcome, of: Alert | None = None) -> list[Delivery]:
    delivery = book.deliveries[KEY]
    heard = told(read_notice(encode_alert(of))) if of else told(book.notice(delivery))
    tried = Attempt(number=delivery.attempts + 1, revision=heard.revision, outcome=outcome, at_ms=2_000, took_ms=1.0)
    return book.attempted(delivery, {KEY: heard}, tried, 2.0)


def revised(revision: int, **fields: Any) -> Alert:
    return msgspec.structs.replace(alert(1), revision=revision, **fields)


def again(book: Book) -> Book:
    """The book as a new process reads it."""
    fresh = Book()
    for one in book.deliveries.values():
        record = decode(encode(one))
        assert isinstance(record, Delivery)
        fresh.restore(record)
    fresh.covered()
    return fresh


def test_an_alert_read_twice_is_queued_once() -> None:
    book = Book()
    assert [one.state for one in hear(book, alert(1))] == ["pending"]
    assert hear(book, alert(1)) == []
    assert hear(again(book), alert(1)) == []
    assert [one.state for one in attempt(book, "delivered")] == ["delivered"]
    assert book.deliveries[KEY].alert == ""
    assert hear(again(book), alert(1)) == []


def test_a_revision_that_comes_while_one_is_on_its_way_is_judged_by_what_that_one_told() -> None:
    for fields, state in (({"light": "red"}, "pending"), ({}, "delivered")):
        book = Book()
        hear(book, alert(1))
        book.deliveries[KEY].tried = True
        hear(book, revised(2, **fields))
        [after] = attempt(book, "delivered", of=alert(1))
        assert (after.state, after.revision) == (state, 2)
        assert (after.alert != "") is (state == "pending")


def test_what_is_withdrawn_before_anybody_heard_of_it_is_dropped_and_may_come_back() -> None:
    book = Book()
    hear(book, alert(1))
    assert [one.state for one in hear(book, revised(2, withdrawn=True))] == ["dropped"]
    assert [one.state for one in hear(book, revised(3))] == ["pending"]


def test_what_may_have_arrived_is_taken_back_too() -> None:
    book = Book()
    hear(book, alert(1))
    attempt(book, "failed")
    assert [one.state for one in hear(book, revised(2, withdrawn=True))] == ["pending"]
    killed = Book()
    hear(killed, alert(1))
    assert [one.state for one in hear(again(killed), revised(2, withdrawn=True))] == ["pending"]


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_summary_survives_a_kill_however_much_of_it_was_written(written: int) -> None:
    book = Book()
    for number in (1, 2, 3):
        hear(book, alert(number), number)
    before = {key: encode(one) for key, one in book.deliveries.items()}
    keys = list(book.deliveries)
    records = book.summarise("r", keys, storm=False, now_ms=5_000)
    log = before | {one.key: encode(one) for one in records[:written]}
    fresh = Book()
    for value in log.values():
        record = decode(value)
        assert isinstance(record, Delivery)
        fresh.restore(record)
    fresh.covered()
    queued = fresh.open_for("r")
    if written == 0:
        assert [one.key for one in queued] == keys
        return
    [summary] = queued
    assert summary.alert_id == records[0].alert_id
    assert {one.key for one in fresh.members(summary)} == set(keys)
    done = fresh.attempted(
        summary, {key: told(fresh.notice(fresh.deliveries[key])) for key in keys},
        Attempt(number=1, revision=1, outcome="delivered", at_ms=6_000, took_ms=1.0), 2.0,
    )  # fmt: skip
    assert {one.state for one in done} == {"delivered"}
    assert all(one.last and one.last.summary == summary.alert_id for one in done if not one.members)
    assert again(fresh).open_for("r") == []


def test_what_was_given_up_waits_for_the_order() -> None:
    book = Book()
    hear(book, alert(1))
    attempt(book, "given_up")
    assert book.open_for("r") == []
    assert book.resend("other", 9_000) == []
    assert [one.queued_ms for one in again(book).resend("", 9_000)] == [9_000]
    assert [one.state for one in hear(book, revised(2))] == ["pending"]


def test_giving_up_a_summary_gives_up_its_members() -> None:
    book = Book()
    for number in (1, 2):
        hear(book, alert(number))
    [summary, *_] = book.summarise("r", list(book.deliveries), storm=True, now_ms=5_000)
    assert {one.state for one in book.give_up(summary, 7_000)} == {"given_up"}
    assert len(book.resend("r", 9_000)) == 2
    assert len(book.open_for("r")) == 2
