"""Who hears of what, and which revisions are news."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from schemas.alert import encode_alert
from streams.notifier.notice import Notice, Told, read_notice
from streams.notifier.policy import is_news, matches
from streams.notifier.receivers import Receiver
from tests.fixtures_clickhouse import alert

AREAS = {"H1": "320602", "P1": "320611"}


def notice(**fields: Any) -> Notice:
    return read_notice(encode_alert(alert(1, **({"institutions": ["H1", "P9"]} | fields))))


def receiver(**fields: Any) -> Receiver:
    return Receiver.model_validate({"name": "r", "url": "https://r.example", "format": "wecom"} | fields)


@pytest.mark.parametrize(
    ("wants", "told", "hears"),
    [
        ({}, {}, True),
        ({}, {"shadow": True}, False),
        ({"lights": ["red"]}, {}, False),
        ({"lights": ["red"]}, {"light": "red"}, True),
        ({"families": ["agent_buying"]}, {}, False),
        ({"families": ["agent_buying", "frequent_visits"]}, {}, True),
        ({"areas": ["320602"]}, {}, True),
        ({"areas": ["3206"]}, {}, True),
        ({"areas": ["320611"]}, {}, False),
        ({"areas": ["320611"]}, {"institutions": ["H1", "P1"]}, True),
        ({"areas": ["3206"]}, {"institutions": ["P9"]}, False),
        ({"institutions": ["P9"]}, {}, True),
        ({"institutions": ["P1"]}, {}, False),
        ({"institutions": ["P9"], "areas": ["320611"]}, {}, False),
        ({"level": 2}, {"light": "red"}, False),
    ],
)
def test_a_receiver_hears_what_all_its_wishes_allow(wants: dict[str, Any], told: dict[str, Any], hears: bool) -> None:
    assert matches(receiver(**wants), notice(**told), AREAS) is hears


def before(**fields: Any) -> Told:
    return Told(**({"revision": 1, "light": "yellow", "evidence": 10, "amount": Decimal("100.00")} | fields))


def events(count: int) -> list[str]:
    return [f"E{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("told", "revised", "news"),
    [
        (None, {}, True),
        (None, {"withdrawn": True}, False),
        (before(), {"revision": 1, "light": "red"}, False),
        (before(), {"revision": 2, "light": "red"}, True),
        (before(), {"revision": 2, "light": "green"}, False),
        (before(), {"revision": 2, "event_ids": events(19)}, False),
        (before(), {"revision": 2, "event_ids": events(20)}, True),
        (before(evidence=0), {"revision": 2, "event_ids": []}, False),
        (before(evidence=200), {"revision": 2, "event_ids": events(200), "amount": Decimal("199.99")}, False),
        (before(evidence=200), {"revision": 2, "event_ids": events(200), "amount": Decimal("200.00")}, True),
        (before(evidence=120), {"revision": 2, "event_ids": events(200), "amount": Decimal("150.00")}, False),
        (before(evidence=100), {"revision": 2, "event_ids": events(200), "amount": Decimal("150.00")}, True),
        (before(), {"revision": 2, "withdrawn": True}, True),
        (before(withdrawn=True), {"revision": 2, "withdrawn": True}, False),
        (before(withdrawn=True), {"revision": 2}, True),
    ],
)  # fmt: skip
def test_a_revision_is_news_when_it_is_worse_grown_or_over(
    told: Told | None, revised: dict[str, Any], news: bool
) -> None:
    assert is_news(notice(**({"event_ids": events(12)} | revised)), told, 2.0) is news
