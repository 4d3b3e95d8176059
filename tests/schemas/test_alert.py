from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Alert, Window, alert_id, alerts_sha256, decode_alert, encode_alert


def make(name: str, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "alert_id": name, "revision": 1, "detector": "d", "family": "agent_buying", "subject_type": "person",
        "subject_id": "P-1", "light": "yellow", "score": 0.5, "raised_at": "2025-03-01 10:00:00", "event_ids": ["a", "b"],
        "persons": ["P-1"], "institutions": ["H1"], "window": Window("2025-03-01 09:00:00", "2025-03-01 10:00:00"),
        "explanation": "说明", "features": {"count": 2}, "rule_id": "d", "rule_version": 1, "amount": Decimal("12.30"),
    }  # fmt: skip
    return Alert(**(values | changes))


def digest_as_the_contract_words_it(lines: list[bytes]) -> str:
    """From the published JSON alone, with the standard library."""
    fields = [
        "alert_id",
        "detector",
        "subject_type",
        "subject_id",
        "light",
        "raised_at",
        "event_ids",
        "rule_id",
        "rule_version",
        "shadow",
        "amount",
    ]
    last: dict[str, dict[str, Any]] = {}
    for alert in map(json.loads, lines):
        if alert["revision"] >= last.get(alert["alert_id"], {"revision": 0})["revision"]:
            last[alert["alert_id"]] = alert
    rows = [json.dumps({f: last[k][f] for f in fields}, sort_keys=True, separators=(",", ":")) for k in sorted(last)]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def test_the_digest_can_be_computed_from_the_published_alerts_alone() -> None:
    alerts = [make("b"), make("a"), make("a", revision=2, light="red", event_ids=["a", "b", "c"])]
    assert alerts_sha256(alerts) == digest_as_the_contract_words_it([encode_alert(a) for a in alerts])


def test_no_alerts_have_a_digest_too() -> None:
    assert alerts_sha256([]) == hashlib.sha256(b"").hexdigest()


@given(st.permutations([make("a"), make("a", revision=2, light="red"), make("b"), make("c", shadow=True)]))
def test_the_digest_does_not_depend_on_order(alerts: list[Alert]) -> None:
    assert alerts_sha256(alerts) == alerts_sha256(
        [make("a", revision=2, light="red"), make("b"), make("c", shadow=True)]
    )


def test_a_withdrawn_alert_leaves_no_trace_in_the_digest() -> None:
    assert alerts_sha256([make("a"), make("b"), make("b", revision=2, withdrawn=True)]) == alerts_sha256([make("a")])


def test_an_alert_survives_the_wire() -> None:
    alert = make("a")
    assert decode_alert(encode_alert(alert)) == alert
    assert json.loads(encode_alert(alert))["window"] == {"from": "2025-03-01 09:00:00", "to": "2025-03-01 10:00:00"}


def test_every_digested_field_counts() -> None:
    base = make("a")
    for change in (
        {"detector": "e"}, {"subject_type": "terminal"}, {"subject_id": "P-2"}, {"light": "red"}, {"rule_version": 2},
        {"raised_at": "2025-03-01 10:00:01"}, {"event_ids": ["a"]}, {"rule_id": "e"}, {"shadow": True}, {"amount": Decimal("12.31")},
    ):  # fmt: skip
        assert alerts_sha256([base]) != alerts_sha256([msgspec.structs.replace(base, **change)])


def test_identity_separates_its_parts() -> None:
    assert alert_id("a", 1, "person", "x", "2025-03") != alert_id("a", 1, "person", "x2025-03", "")
    assert alert_id("a", 1, "person", "x", "2025-03") == alert_id("a", 1, "person", "x", "2025-03")
