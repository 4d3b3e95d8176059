"""The rule book: what is shipped is complete, what is given is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

import detectors.rules
from detectors import RuleFileError, load_rules


def test_shipped_rules_say_what_why_and_between() -> None:
    book = load_rules()
    assert {rule.detector.partition(".")[2] for rule in book.rules} == {
        file.stem for folder in detectors.rules.__path__ for file in Path(folder).glob("*.py")
    } - {"__init__"}
    assert book.lateness == 48 * 3600
    assert (book.person_cap, book.place_cap, book.code_room) == (1_000, 20_000, 2_000)
    for rule in book.rules:
        assert rule.title
        assert rule.basis
        for parameter in rule.parameters.values():
            assert parameter.title
            assert parameter.basis
            assert parameter.unit
            assert parameter.min <= parameter.value <= parameter.max


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(text, "utf-8")
    return path


def test_given_values_replace_shipped_ones(tmp_path: Path) -> None:
    book = load_rules(
        write(
            tmp_path,
            """
            general.lateness = 24
            [rules.frequent_visits.rolling_count]
            version = 3
            episode = "day"
            parameters.short_limit = 5
            parameters.long_limit = { value = 12, unit = "visits", min = 1, max = 99 }
            [rules.agent_buying.days_supply]
            enabled = false
            """,
        )
    )
    rule = book.rule("frequent_visits.rolling_count")
    assert (rule.version, rule.episode, rule.whole("short_limit"), rule.whole("long_limit")) == (3, "day", 5, 12)
    assert rule.seconds("short_window") == 7 * 86_400
    assert rule.parameters["long_limit"].max == 400
    assert not book.rule("agent_buying.days_supply").enabled
    assert book.lateness == 24 * 3600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[rules.frequent_visits.rolling_count.parameters]\nshort_limit = 1",
            "short_limit: expected a number from 2 to 100",
        ),
        (
            "[rules.frequent_visits.rolling_count.parameters]\nshort_limit = 'x'",
            "short_limit: expected a number from 2 to 100",
        ),
        ("[rules.frequent_visits.rolling_count.parameters]\nshort_limit = true", "expected a number from 2"),
        ("[rules.frequent_visits.rolling_count.parameters]\nshort_limit = 5.5", "expected a whole number"),
        ("[rules.frequent_visits.rolling_count.parameters]\nshort_limit = nan", "expected a number from 2"),
        (
            "[rules.frequent_visits.rolling_count.parameters]\nshort_limits = 5",
            "short_limits: unknown name; expected one of",
        ),
        ("[rules.frequent_visits.rolling_count]\nshort_limit = 5", "short_limit: unknown name"),
        ("[rules.frequent_visits.rolling_counts]\nversion = 5", "rolling_counts: unknown name"),
        ("[rules.frequent_visits.rolling_count]\nversion = 'new'", "rolling_count: Expected `int`"),
        ("[rules.frequent_visits.rolling_count]\nepisode = 'year'", "rolling_count: Invalid enum value 'year'"),
        ("[general]\nlateness = 9999", "general.lateness: expected a number from 0 to 48"),
        ("[generals]\nlateness = 9", "generals: unknown name"),
        ("[audit.severity]\nred = 1", r"audit.severity.red: expected 1 to 3 letters or digits in quotes, got 1"),
        ("[audit.severity]\nred = ''", r"audit.severity.red: expected 1 to 3 letters or digits in quotes, got ''"),
        ("[audit.severity]\nred = '1234'", r"audit.severity.red: expected 1 to 3 letters"),
        ("[audit.severity]\nblue = '1'", r"audit.severity.blue: unknown name; expected one of green, red, yellow"),
        ("[audit]\nseverities = 1", "audit.severities: unknown name"),
        ("[audit]\nseverity = 1", "audit.severity: expected a table, got 1"),
        ("audit = 1", "audit: expected a table, got 1"),
        ("rules = 7", "rules: expected a table, got 7"),
        ("[rules]\nfrequent_visits = 7", r"rules.frequent_visits: expected a table"),
        ("rules = [", "is not TOML"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RuleFileError, match=message):
        load_rules(write(tmp_path, text))


def test_severity_is_replaced_light_by_light(tmp_path: Path) -> None:
    assert load_rules().severity == {"red": "1", "yellow": "2", "green": "3"}
    book = load_rules(write(tmp_path, "[audit.severity]\nyellow = '02'\n"))
    assert book.severity == {"red": "1", "yellow": "02", "green": "3"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError, match=r"nowhere\.toml"):
        load_rules(tmp_path / "nowhere.toml")
