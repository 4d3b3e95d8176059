"""frequent_visits.unusual_pattern: what stands out, what mutes it, what it says."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest

from detectors import load_rules
from detectors.explain import MUTED_BY
from detectors.models.features import FEATURES
from detectors.rule import Features
from schemas.instants import DAY
from tests.detectors.golden import FOLDER
from tests.detectors.harness import START, Drive, judge, visit
from tests.detectors.models.population import BURST, town

NAME = "unusual_pattern"
GOLDEN = FOLDER / f"{NAME}.txt"
WEEK = 17


def among_peers(*more: dict[str, Any], weeks: int = 20) -> list[dict[str, Any]]:
    events = [*town(1, weeks=weeks, burst_week=None), *more]
    return sorted(events, key=lambda made: (made["setl_time"], made["event_id"]))


def burst(count: int = 14, **fields: Any) -> list[dict[str, Any]]:
    """Two visits a day at five institutions, a new diagnosis each."""
    made = []
    for number in range(count):
        at = START + timedelta(weeks=WEEK, days=number // 2, hours=2 + 5 * (number % 2))
        wrong = {
            "fixmedins_code": "ABCDE"[number % 5],
            "diagnoses": [{"diag_code": f"Z{number}", "maindiag_flag": "1"}],
        }
        made.append(visit(90_000 + number, at, psn_no=BURST, brdy="1970-05-01", **(wrong | fields)))
    return made


def found(events: list[dict[str, Any]]) -> list[str]:
    return [alert.light for alert in Drive(judge(), batch=500).run(events).of(NAME)]


def test_a_burst_is_found() -> None:
    assert set(found(among_peers(*burst()))) == {"yellow"}


def test_too_few_visits_are_not_looked_at() -> None:
    limit = load_rules().rule(f"frequent_visits.{NAME}").whole("visits")
    # the person sees a doctor now and then without the burst, too
    assert found(among_peers(*burst(limit - 4))) == []


def test_says_nothing_where_peers_are_too_little_known() -> None:
    early = [made | {"setl_time": str(START + timedelta(days=5, hours=n))} for n, made in enumerate(burst())]
    assert found(among_peers(*early, weeks=3)) == []


def test_says_nothing_without_a_cohort() -> None:
    drive = Drive(judge(), batch=500)
    drive.cohort = None
    assert drive.run(among_peers(*burst())).of(NAME) == []


@pytest.mark.parametrize(
    "reason",
    [
        {"long_rx_flag": "1"},
        {"diagnoses": [{"diag_code": "C50.9", "maindiag_flag": "1"}]},
        {"fixmedins_code": "A", "lines": []},
    ],
    ids=["long_prescription", "oncology", "treatment_series"],
)
def test_known_reasons_mute(reason: dict[str, Any]) -> None:
    excused = burst(**reason)
    if "lines" in reason:
        # once a day at one institution
        excused = [made | {"setl_time": str(START + timedelta(weeks=WEEK, days=n))} for n, made in enumerate(excused)]
    assert set(found(among_peers(*excused))) == {"green"}


def test_the_width_covers_the_features() -> None:
    (rule,) = (rule for rule in judge().rules.values() if rule.detector.endswith(NAME))
    assert rule.width == 90 * DAY


def test_explanations() -> None:
    """From features alone: what is learned in a scene moves with every rule that flags something there."""
    (rule,) = (rule for rule in judge().rules.values() if rule.detector.endswith(NAME))
    told: Features = {
        "risk_sco": 0.9446, "peer_limit": 0.2991, "peer_group": "ordinary/adult",
        "beyond": "diag_cnt,otp_cnt_7d,day_mdtrt_amt_sim,otp_rise",
        "diag_cnt": 17, "diag_cnt_peers": 3.0, "otp_cnt_7d": 16, "otp_cnt_7d_peers": 3.22, "day_mdtrt_amt_sim": 0.56,
        "day_mdtrt_amt_sim_peers": 0.03, "otp_rise": 13.5, "otp_rise_peers": 5.02,
    }  # fmt: skip
    text = "\n".join(rule.explain(features) for features in (told, told | {MUTED_BY: "treatment_series"})) + "\n"
    if os.environ.get("FUNDWATCH_WRITE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_what_it_tells_is_what_was_measured() -> None:
    (alert, *_) = Drive(judge(), batch=500).run(among_peers(*burst())).of(NAME)
    names = str(alert.features["beyond"]).split(",")
    assert 4 <= len(names) <= 5
    for name in names:
        assert float(alert.features[name]) > float(alert.features[f"{name}_peers"])
        assert FEATURES[name].title in alert.explanation
    assert alert.features["otp_cnt_7d"] >= 14 or "otp_cnt_7d" not in names
