"""Words, numbers and masks as people see them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from console import words
from detectors.parameters import load_rules


def test_every_rule_has_a_title_and_an_unknown_one_stands_for_itself() -> None:
    for rule in load_rules().rules:
        assert words.detector(rule.detector) == rule.title
    assert words.detector("tomorrow.rule") == "tomorrow.rule"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("11", "普通门诊"),
        ("13", "急诊"),
        ("1402", "慢特病门诊"),
        ("21", "住院"),
        ("41", "药店购药"),
        ("9929", "药店购药"),
        ("", "其他"),
    ],
)
def test_care_types_have_the_words_of_the_panels(code: str, name: str) -> None:
    assert words.care(code) == name


@pytest.mark.parametrize(
    ("person", "shown"),
    [("3206969319913945", "3206****45"), ("123456789", "1234****89"), ("12345678", "****"), ("", "****")],
)
def test_a_person_is_masked_whatever_its_form(person: str, shown: str) -> None:
    assert words.masked(person) == shown


def test_persons_and_collectors_are_masked_as_subjects_places_are_not() -> None:
    assert words.subject("person", "3206969319913945") == "参保人 3206****45"
    assert words.subject("agent", "AG0500000019") == "代办人 AG05****19"
    assert words.subject("terminal", "P32061138651-T1") == "结算终端 P32061138651-T1"


@pytest.mark.parametrize(
    ("yuan", "shown"),
    [
        (Decimal("0"), ("0", "元")), (Decimal("9999.4"), ("9,999", "元")), (Decimal("12345.67"), ("1.23", "万元")),
        (Decimal("-250000"), ("-25.00", "万元")), ("318000000", ("3.18", "亿元")), (None, ("0", "元")),
    ],
)  # fmt: skip
def test_money_is_short(yuan: object, shown: tuple[str, str]) -> None:
    assert words.money(yuan) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-3, "0 秒"), (59, "59 秒"), (120, "2 分钟"), (7200, "2 小时"), (172_800, "2 天")]
)
def test_spans_have_their_largest_unit(seconds: float, shown: str) -> None:
    assert words.ago(seconds) == shown


def test_a_sentence_names_nobody() -> None:
    text = words.without_persons(
        "参保人 3206969319913945 与 32069693199139451 同行", ["3206969319913945", "32069693199139451", ""]
    )
    assert text == "参保人 3206****45 与 3206****51 同行"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "0"),
        (9999, "9,999"),
        (19_637, "1.96万"),
        (577_749, "57.8万"),
        (Decimal("38772119.00"), "3,877万"),
        (-2 * 10**8, "-2.00亿"),
    ],
)
def test_numbers_are_short(number: object, shown: str) -> None:
    assert words.short(number) == shown


@pytest.mark.parametrize(("percent", "shown"), [(None, "—"), (0.54, "+0.5%"), (-12.3, "-12%"), (1716.6, "+1,717%")])
def test_a_change_has_its_sign(percent: float | None, shown: str) -> None:
    assert words.growth(percent) == shown
