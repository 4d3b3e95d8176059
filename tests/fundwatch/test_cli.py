"""The command line as other programs see it: subprocesses, their outputs and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clickhouse.client import connect
from clickhouse.settings import StoreSettings

COMMANDS = ("demo", "worker", "gateway", "console", "migrate", "doctor", "replay", "simulate", "backtest")
HEAVY = ("faust", "aiokafka", "confluent_kafka", "clickhouse_connect", "nicegui", "pandas", "river", "rich.progress")


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """``fundwatch`` with these arguments and only these FUNDWATCH_ variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    return subprocess.run(
        [sys.executable, "-m", "fundwatch", *arguments],
        input=stdin, capture_output=True, env=clean | environment, timeout=60, check=False,
    )  # fmt: skip


def test_help_names_every_command_of_the_contract() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if f"  {name} ".encode() not in done.stdout] == []


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "demo",
            "--input --institutions --drugs --speed --duration --data-dir --kafka-port --clickhouse-port --gateway-port"
            " --console-port --rules --exceptions",
        ),
        ("doctor", "--settings"),
        ("replay", "--speed FILE"),
        ("simulate", "--persons --days --seed --out"),
        ("backtest", "--institutions --drugs --alerts --rules --exceptions FILE"),
    ],
)
def test_every_option_of_the_contract_is_there(command: str, options: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert [option for option in options.split() if option.encode() not in done.stdout] == []


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, fundwatch.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["backtest", "nowhere.jsonl"], "nowhere.jsonl"),
        (["replay", "nowhere.jsonl"], "nowhere.jsonl"),
        (["demo", "--input", "nowhere.jsonl"], "nowhere.jsonl"),
        (["demo", "--speed", "fast"], "expected a number above 0 or max"),
        (["demo", "--speed", "-1"], "expected a number above 0 or max"),
        (["demo", "--kafka-port", "70000"], "--kafka-port"),
        (["simulate", "--persons", "0", "--days", "1", "--seed", "1", "--out", "x.jsonl"], "--persons"),
        (["fly"], "fly"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("FUNDWATCH_CONSOLE_PORT", "many", ["console"]),
        ("FUNDWATCH_CLICKHOUSE_TIMEOUT", "-1", ["migrate"]),
        ("FUNDWATCH_CLICKHOUSE_DATABASE", "a b", ["doctor"]),
        ("FUNDWATCH_PARTITIONS", "none", ["doctor", "--settings"]),
    ],
)
def test_a_bad_setting_is_named_and_exit_code_2(variable: str, value: str, command: list[str]) -> None:
    done = run(*command, **{variable: value})
    assert done.returncode == 2
    assert variable in done.stderr.decode()
    assert value in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["worker", "migrate", "doctor"])
def test_a_part_that_is_not_there_is_a_sentence_and_exit_code_1(command: str) -> None:
    done = run(command, FUNDWATCH_KAFKA="127.0.0.1:1", FUNDWATCH_CLICKHOUSE_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"127.0.0.1:1" in done.stdout + done.stderr


def test_replay_says_that_there_is_no_broker(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text('{"psn_no": "a"}\n')
    done = run("replay", str(file), FUNDWATCH_KAFKA="127.0.0.1:1")
    assert done.returncode == 1
    assert b"127.0.0.1:1" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--rules", "--exceptions"])
def test_a_rule_or_exception_file_that_cannot_be_is_refused(tmp_path: Path, option: str) -> None:
    wrong, file = tmp_path / "wrong.toml", tmp_path / "empty.jsonl"
    wrong.write_text("this is not such a file")
    file.write_text("")
    done = run("backtest", str(file), option, str(wrong))
    assert done.returncode in (1, 2)
    assert str(wrong) in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_migrate_loads_the_institutions_it_is_told_of(tmp_path: Path, store_settings: StoreSettings) -> None:
    file = tmp_path / "institutions.csv"
    head = "fixmedins_code,fixmedins_name,fixmedins_type,hosp_lv,mdtrtarea_admvs,lat,lon"
    file.write_text(f"{head}\nH00000000001,一院,1,05,310101,31.2,121.4\n")
    where = {
        "FUNDWATCH_CLICKHOUSE_URL": store_settings.clickhouse_url,
        "FUNDWATCH_CLICKHOUSE_DATABASE": store_settings.clickhouse_database,
        "FUNDWATCH_INSTITUTIONS": str(file),
        "FUNDWATCH_KAFKA": "127.0.0.1:1",
    }
    assert b"loaded 1 institutions" in run("migrate", **where).stdout
    client = connect(store_settings)
    assert client.query("SELECT fixmedins_name FROM institutions FINAL").result_rows == [("一院",)]
    file.write_text(f"{head}\nH00000000001,一院,1,05,310101,east,121.4\n")
    refused = run("migrate", **where)
    assert refused.returncode == 2
    assert b"FUNDWATCH_INSTITUTIONS" in refused.stderr
    assert b"line 2" in refused.stderr
