"""The compose files without a Docker engine: their schema, and that everything they name is there and known."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from fundwatch.cli import app
from fundwatch.settings import PREFIX, SECRETS_DIR, every_class
from tests.deploy.composed import CLUSTER, ROOT, SINGLE, read, services

STACKS = {"single": services(SINGLE), "cluster": services(SINGLE, CLUSTER)}
EACH = pytest.mark.parametrize(
    ("stack", "name"), [(stack, name) for stack, parts in STACKS.items() for name in parts], ids="-".join
)
OURS = "fundwatch:local"


def service(stack: str, name: str) -> dict[str, Any]:
    return STACKS[stack][name]


def bound(part: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Source, target and mode of each volume; Compose's last mount of a target wins."""
    found = {}
    for volume in part.get("volumes", []):
        source, target, *mode = volume.split(":")
        found[target] = (source, target, "".join(mode))
    return list(found.values())


@pytest.mark.parametrize("path", [SINGLE, CLUSTER], ids=lambda path: path.name)
def test_the_files_are_of_the_compose_specification(path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@EACH
def test_what_is_mounted_is_there(stack: str, name: str) -> None:
    volumes = read(SINGLE)["volumes"] | (read(CLUSTER)["volumes"] if stack == "cluster" else {})
    for source, _, mode in bound(service(stack, name)):
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{name} mounts {source}, which is not there"
            assert mode == "ro", f"{name} may write to {source}"
        else:
            assert source in volumes, f"{name} mounts the volume {source}, which is not declared"


@EACH
def test_every_command_is_one_of_fundwatch(stack: str, name: str) -> None:
    part = service(stack, name)
    if part["image"] != OURS:
        return
    if "entrypoint" in part:
        scripts = {target: source for source, target, _ in bound(part)}
        interpreter, script = part["entrypoint"]
        assert interpreter == "/opt/fundwatch/bin/python"
        assert (ROOT / scripts[script]).is_file()
        return
    command, *words = shlex.split(part["command"])
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert command in known, f"fundwatch has no command {command}"
    options = {option for parameter in known[command].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@EACH
def test_every_variable_is_a_known_setting(stack: str, name: str) -> None:
    known = {PREFIX + field.upper() for settings in every_class() for field in settings.model_fields} | {SECRETS_DIR}
    ours = {key for key in service(stack, name).get("environment") or {} if key.startswith(PREFIX)}
    assert ours <= known


@pytest.mark.parametrize("stack", STACKS)
def test_every_class_takes_what_its_process_is_given(
    stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for part in STACKS[stack].values():
        if part["image"] != OURS or not part["environment"]:
            continue
        with monkeypatch.context() as given:
            for key, value in part["environment"].items():
                given.setenv(key, value)
            for settings in every_class():
                settings()


@EACH
def test_a_condition_can_come_true(stack: str, name: str) -> None:
    for other, how in (service(stack, name).get("depends_on") or {}).items():
        waited = service(stack, other)
        if how["condition"] == "service_healthy":
            assert waited["healthcheck"]["test"], f"{name} waits for {other}, which says nothing of its health"
        else:
            assert how["condition"] == "service_completed_successfully"
            assert waited["restart"] in ("no", "on-failure"), (
                f"{name} waits for the end of {other}, which is started again"
            )


@EACH
def test_who_holds_a_secret_has_waited_for_it(stack: str, name: str) -> None:
    part = service(stack, name)
    if name == "secrets" or not any(source.startswith("secret-") for source, *_ in bound(part)):
        return
    seen, waiting = set(), [name]
    while waiting:
        for other in service(stack, waiting.pop()).get("depends_on") or {}:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    assert "secrets" in seen


@EACH
def test_images_are_pinned(stack: str, name: str) -> None:
    image, _, tag = service(stack, name)["image"].rpartition(":")
    assert image, f"{name} takes whatever is newest"
    assert tag == "local" or re.match(r"\d+\.\d+", tag), f"{name}: {tag} is no version"


@EACH
def test_parts_are_bounded_and_have_no_more_rights_than_they_need(stack: str, name: str) -> None:
    part = service(stack, name)
    assert {"cpus", "memory", "pids"} == set(part["deploy"]["resources"]["limits"])
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["logging"]["options"]["max-size"]
    assert "privileged" not in part
    assert "container_name" not in part, "a service with a container name cannot be scaled"
    if part["image"] != OURS:  # ours says its user in the Dockerfile
        assert not re.match(r"(0|root)\b", str(part["user"])), f"{name} runs as root"
    # Kafka's image writes its configuration where it was installed
    assert part.get("read_only") is True or part["image"].startswith("apache/kafka:")


@EACH
def test_ports_are_published_on_loopback_only(stack: str, name: str) -> None:
    ports = service(stack, name).get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert bool(ports) == (name in ("gateway", "proxy"))
    if ports:
        assert "outside" in service(stack, name)["networks"], "a network without a way out publishes nothing"


@EACH
def test_no_secret_stands_in_the_files(stack: str, name: str) -> None:
    for key, value in (service(stack, name).get("environment") or {}).items():
        if re.search(r"PASSWORD|TOKEN|SECRET|_KEY", key) and not re.search(r"TOPIC|_DIR$", key):
            assert str(value).startswith("/run/"), f"{name}: {key} must name a file"


def test_only_its_own_secrets_are_mounted() -> None:
    readers: dict[str, set[str]] = {}
    for name, part in STACKS["cluster"].items():
        for source, _, mode in bound(part):
            if source.startswith("secret-"):
                readers.setdefault(source, set()).add(name)
                assert mode == "ro" or name == "secrets"
    ours = {
        name for name, part in STACKS["cluster"].items() if part["image"] == OURS and name not in ("city", "notifier")
    }
    assert readers == {
        "secret-fundwatch": ours,
        "secret-clickhouse": {"secrets", "clickhouse", "clickhouse-2"},
        "secret-grafana": {"secrets", "grafana"},
        "secret-notifier": {"secrets", "notifier"},
        "secret-tokens": {"secrets", "gateway", "console"},
        "secret-operator": {"secrets"},
    }


def test_a_replica_keeps_its_rows_for_itself() -> None:
    """Two servers on one volume would destroy it."""
    for part in ("clickhouse", "kafka", "keeper"):
        stores = [bound(one)[0][0] for name, one in STACKS["cluster"].items() if name.split("-")[0] == part]
        assert len(stores) == len(set(stores)) == {"clickhouse": 2, "kafka": 3, "keeper": 3}[part]


def test_a_broker_may_die() -> None:
    brokers = {name: one["environment"] for name, one in STACKS["cluster"].items() if name.startswith("kafka")}
    voters = "1@kafka:9093,2@kafka-2:9093,3@kafka-3:9093"
    for name, settings in brokers.items():
        assert settings["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voters
        assert f"{settings['KAFKA_NODE_ID']}@{name}:9093" in voters
        assert settings["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert (settings["KAFKA_MIN_INSYNC_REPLICAS"], settings["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"]) == (2, 3)
        assert settings["CLUSTER_ID"] == brokers["kafka"]["CLUSTER_ID"]
    for name in ("migrate", "worker", "gateway", "simulator"):
        given = STACKS["cluster"][name]["environment"]
        assert given["FUNDWATCH_KAFKA"] == "kafka:9092,kafka-2:9092,kafka-3:9092"
        assert given["FUNDWATCH_REPLICATION"] == "3"


def test_grafana_finds_what_is_provisioned() -> None:
    """Files, secrets and variables that the provisioning names are those the compose file gives."""
    grafana = service("single", "grafana")
    targets = {target: source for source, target, _ in bound(grafana)}
    provisioned = sorted((ROOT / "grafana" / "provisioning").rglob("*.yaml"))
    text = "\n".join(path.read_text("utf-8") for path in provisioned)
    from deploy.first_start import OTHERS, STORE_USERS

    made = {Path(name).name for name in [*OTHERS, *STORE_USERS["grafana"]] if name.startswith("grafana/")}
    assert targets["/run/secrets"] == "secret-grafana"
    assert set(re.findall(r"\$__file\{/run/secrets/([^}]+)\}", text)) <= made
    assert set(re.findall(r"/run/secrets/(\S+)", yaml.safe_dump(grafana["environment"]))) <= made
    assert set(re.findall(r"(?<!\$)\$([A-Z][A-Z_]+)", text)) <= set(grafana["environment"])
    folders = {
        provider["options"]["path"]
        for path in provisioned
        for provider in yaml.safe_load(path.read_text("utf-8")).get("providers", [])
    }
    assert folders == {"/etc/fundwatch/dashboards"}
    assert targets["/etc/fundwatch/dashboards"] == "./grafana/dashboards"


def test_the_proxy_s_image_is_the_program_the_tests_run() -> None:
    version = subprocess.run(
        [Path(sys.executable).with_name("caddy"), "version"], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()[0]
    images = {part["image"] for part in STACKS["cluster"].values() if part["image"].startswith("caddy:")}
    assert images == {f"caddy:{version.removeprefix('v')}-alpine"}
