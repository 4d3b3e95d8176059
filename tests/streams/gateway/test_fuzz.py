"""What schemathesis makes of /openapi.json, sent to a gateway process: never a fault of ours, and answers as described."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examined
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from streams.gateway.settings import GatewaySettings
from tests.streams.gateway.conftest import PARTITIONS, Answerer, Doors
from tests.streams.gateway.messages import HERE
from tests.streams.gateway.process import Process

pytestmark = [pytest.mark.embedded, pytest.mark.filterwarnings("ignore")]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 40


@pytest.mark.parametrize("role", ["his", "admin"])
async def test_no_request_of_the_described_interface_breaks_the_gateway(
    role: str, settings: GatewaySettings, answerer: Answerer, doors: Doors, start: Callable[..., Process]
) -> None:
    process = start(
        kafka=settings.kafka, topic_prefix=settings.topic_prefix, partitions=str(PARTITIONS), tokens=str(doors.path),
        gateway_rate="100000", gateway_burst="100000", gateway_outpatient_seconds="10",
    )  # fmt: skip
    await asyncio.to_thread(process.until_ready)
    operations = await asyncio.to_thread(_fuzz, process.url, doors.header(role))
    assert operations >= 11
    assert "gateway.failed" not in "".join(process.lines)


def _fuzz(url: str, headers: dict[str, str]) -> int:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _run(operation, mode, headers)
        count += 1
    return count


def _run(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @examined(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def call(case: Case) -> None:
        _speak_for_oneself(case.body)
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    with suppress(Unsatisfiable):  # a path without parameters cannot be called wrongly
        call()


def _speak_for_oneself(node: Any) -> None:
    """As the institution of the token, else every message would end at the door."""
    if isinstance(node, list):
        for one in node:
            _speak_for_oneself(one)
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("fixmedins_code", "medins_id") and isinstance(value, str):
                node[name] = HERE
            _speak_for_oneself(value)
