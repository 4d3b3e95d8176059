"""Says in plain words whether broker, ClickHouse and Grafana are as the settings expect, and what to do if not."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from fundwatch.errors import BrokerError
from fundwatch.settings import every_setting, load, unknown_names

_SYSTEM_ERROR: Final = re.compile(r"\[Errno -?\d+\] ([\w ]+)")
Verdict = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One sentence about one part; only ``wrong`` makes the doctor fail."""

    verdict: Verdict
    part: str
    sentence: str


def examine() -> int:
    """Print a line per finding; 0 if nothing is wrong, else 1. Raises SettingError."""
    parts: list[Callable[[], Iterator[Finding]]] = [_settings, _broker, _clickhouse, _grafana]
    wrong = 0
    for part in parts:
        for finding in part():
            wrong += finding.verdict == "wrong"
            print(f"{finding.verdict:<6}{finding.part:<12}{finding.sentence}", flush=True)
    if wrong:
        print(f"fundwatch: {wrong} thing(s) to mend, see the lines that begin with 'wrong'", file=sys.stderr)
    return 1 if wrong else 0


def print_settings() -> int:
    """Print every setting with its value and origin, secrets masked. Raises SettingError."""
    rows = every_setting()
    names, values = max(len(row.name) for row in rows), min(max(len(row.value) for row in rows), 48)
    for row in rows:
        print(f"{row.name:<{names}}  {row.value:<{values}}  {row.origin:<11}  {row.folder}: {row.meaning}")
    for name in unknown_names():
        print(f"{name:<{names}}  {'':<{values}}  environment  belongs to no setting: misspelt?")
    return 0


def _settings() -> Iterator[Finding]:
    every_setting()
    for name in unknown_names():
        yield Finding(
            "note", "settings", f"{name} belongs to no setting; see fundwatch doctor --settings for the names"
        )


def _broker() -> Iterator[Finding]:
    from fundwatch.progress import Progress
    from schemas.topics import FACTS, SETTLEMENTS, Topics
    from streams.settings import StreamSettings

    settings = load(StreamSettings)
    topics = Topics(settings.topic_prefix, settings.partitions)
    progress = Progress(settings.kafka, topics)
    try:
        found = progress.partitions()
    except BrokerError as error:
        yield Finding("wrong", "broker", str(error))
        return
    yield Finding("ok", "broker", f"Kafka answers at {settings.kafka}")
    whole = True
    for topic in topics.all():
        partitions = found.get(topic.name)
        if partitions is None:
            whole = False
            yield Finding("wrong", "broker", f"topic {topic.name} is missing; run fundwatch migrate to make it")
        elif partitions != topic.partitions:
            whole = False
            yield Finding(
                "wrong",
                "broker",
                f"topic {topic.name}: expected {topic.partitions} partitions, it has {partitions};"
                f" set FUNDWATCH_PARTITIONS={partitions}, for a person's partition must never change",
            )
    if not whole:
        return
    yield Finding("ok", "broker", f"all {len(topics.all())} topics are there with their partitions")
    held = progress.assigned()
    yield Finding(
        "ok" if held else "wrong",
        "worker",
        "every partition has a worker" if held else "no worker holds all partitions; start fundwatch worker",
    )
    for base in (SETTLEMENTS, FACTS):
        lag = progress.lag(base)
        yield Finding("ok" if held or not lag.records else "note", "worker", f"{base}: {lag.records} records to go")


def _clickhouse() -> Iterator[Finding]:
    from clickhouse.client import connect, translated
    from clickhouse.errors import StoreError, StoreRefused
    from clickhouse.migrate import migrations
    from clickhouse.settings import StoreSettings

    settings = load(StoreSettings)
    where = f"ClickHouse at {settings.clickhouse_url}"
    try:
        client = connect(settings)
    except ValueError as error:
        yield Finding("wrong", "clickhouse", str(error))
        return
    except StoreRefused as error:
        yield Finding(
            "wrong",
            "clickhouse",
            f"{where} refuses us (code {error.code}); check FUNDWATCH_CLICKHOUSE_USER and _PASSWORD",
        )
        return
    except StoreError as error:
        yield Finding(
            "wrong",
            "clickhouse",
            f"expected {where}, got: {_first_line(error)}; start it, or correct FUNDWATCH_CLICKHOUSE_URL",
        )
        return
    yield Finding("ok", "clickhouse", f"{where} answers")
    try:
        with translated():
            rows = client.query("SELECT name, checksum FROM schema_migrations FINAL").result_rows
        applied = {str(name): str(checksum) for name, checksum in rows}
    except StoreError:
        applied = {}
    for migration in migrations():
        checksum = applied.get(migration.name)
        if checksum is None:
            yield Finding("wrong", "clickhouse", f"migration {migration.name} is not applied; run fundwatch migrate")
        elif checksum != migration.checksum:
            yield Finding(
                "wrong", "clickhouse", f"migration {migration.name} was changed after it was applied; put the file back"
            )
    if len(applied) < len(migrations()):
        return
    yield Finding("ok", "clickhouse", f"all {len(migrations())} migrations are applied")
    for view in ("settlements", "alerts", "dead_letters", "audits", "deliveries"):
        try:
            with translated():
                count = client.query(f"SELECT count() FROM {view}").result_rows[0][0]  # noqa: S608  fixed names
        except StoreError as error:
            yield Finding("wrong", "clickhouse", f"{view} cannot be read: {_first_line(error)}")
        else:
            yield Finding("ok", "clickhouse", f"{view}: {count} rows")


def _grafana() -> Iterator[Finding]:
    from grafana.settings import GrafanaSettings

    settings = load(GrafanaSettings)
    if not settings.grafana_url:
        yield Finding("ok", "grafana", "not used: FUNDWATCH_GRAFANA_URL is not set")
        return
    from clickhouse.settings import StoreSettings
    from grafana.errors import GrafanaError
    from grafana.publish import address, check, committed, connect, source, version

    store = load(StoreSettings)
    try:
        api = connect(settings)
        yield Finding("ok", "grafana", f"Grafana {version(api)} answers at {address(api)}")
        if not settings.grafana_token.get_secret_value():
            yield Finding("note", "grafana", "FUNDWATCH_GRAFANA_TOKEN is not set: what is in Grafana was not looked at")
            return
        steps = list(check(api, source(settings, store.clickhouse_url, store.clickhouse_database), committed()))
    except GrafanaError as error:
        yield Finding("wrong", "grafana", str(error))
        return
    for step in steps:
        if step.outcome == "missing":
            yield Finding("wrong", "grafana", f"{step.what} is missing; run fundwatch grafana publish")
        elif step.outcome == "differs":
            yield Finding("note", "grafana", f"{step.what} is not this version's; see fundwatch grafana check")
        elif not step.good:
            yield Finding("wrong", "grafana", f"{step.what}: {' '.join(step.details)}")
    if all(step.good for step in steps):
        yield Finding("ok", "grafana", f"all {len(steps)} things we put there are as they should be")


def _first_line(error: BaseException) -> str:
    """What the operating system said, if it is in there, else the beginning of the message."""
    text = str(error) or type(error).__name__
    system = _SYSTEM_ERROR.search(text)
    return system[1] if system else text.splitlines()[0][:200]
