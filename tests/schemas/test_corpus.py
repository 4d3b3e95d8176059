"""Messages of every schema version there has been, kept for ever: what once was written must always be readable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from schemas.alert import decode_alert
from schemas.deadletter import decode_dead_letter
from schemas.publish import documents, main
from schemas.settlement import decode_settlement

CORPUS = sorted((Path(__file__).parent / "corpus").rglob("*.json"))
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "settlement": decode_settlement,
    "alert": decode_alert,
    "deadletter": decode_dead_letter,
}


def kind_of(path: Path) -> str:
    return path.stem.split("-")[0]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_kept_message_still_decodes(path: Path) -> None:
    message = DECODERS[kind_of(path)](path.read_bytes().strip())
    assert f"v{message.schema}" == path.parent.name


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_kept_message_fits_the_published_schema(path: Path) -> None:
    schema = orjson.loads(documents()[f"schemas/{kind_of(path)}.json"])
    jsonschema.Draft202012Validator(schema).validate(orjson.loads(path.read_bytes()))


def test_every_kind_of_message_is_kept() -> None:
    assert {kind_of(path) for path in CORPUS} == set(DECODERS)


def test_published_documents_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out
