"""Writes what travels as JSON Schema and AsyncAPI under ``docs/``, or checks that what is there is current.

python -m schemas.publish [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from schemas import topics
from schemas.alert import Alert
from schemas.deadletter import DeadLetter
from schemas.settlement import MAX_BYTES, Settlement

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_DECIMAL: Final = {"type": ["string", "number"], "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"}
_WIRE_TIME: Final = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}"}

_MESSAGES: Final[dict[str, tuple[type[msgspec.Struct], str, str, str]]] = {
    "settlement": (Settlement, topics.SETTLEMENTS, "psn_no", "Every settled transaction and every reversal."),
    "alert": (Alert, topics.ALERTS, "subject_id", "One revision of an alert."),
    "deadletter": (DeadLetter, topics.DEADLETTERS, "the original key", "A value that could not be judged, and why."),
}


def documents() -> dict[str, bytes]:
    """Every published document by its path below ``docs/``."""
    schemas = {name: _schema(kind) for name, (kind, *_) in _MESSAGES.items()}
    rendered = {f"schemas/{name}.json": _render(schema) for name, schema in schemas.items()}
    rendered["asyncapi.json"] = _render(_asyncapi())
    return rendered


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    schema = _as_on_the_wire(msgspec.json.schema(kind))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _as_on_the_wire(node: Any) -> Any:
    """The generated schema with money and times as the contract has them: decimals may be numbers, times have a space."""
    if isinstance(node, list):
        return [_as_on_the_wire(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        return {key: value for key, value in node.items() if key not in ("type", "format")} | _DECIMAL
    if node.get("format") == "date-time":
        return {key: value for key, value in node.items() if key not in ("type", "format")} | _WIRE_TIME
    return {key: _as_on_the_wire(value) for key, value in node.items()}


def _asyncapi() -> dict[str, Any]:
    channels, operations, messages = {}, {}, {}
    for name, (_, topic, key, summary) in _MESSAGES.items():
        messages[name] = {
            "summary": summary,
            "contentType": "application/json",
            "payload": {"$ref": f"schemas/{name}.json"},
            "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
        }
        channels[name] = {
            "address": "{prefix}" + topic,
            "parameters": {"prefix": {"description": "FUNDWATCH_TOPIC_PREFIX", "default": ""}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        operations[f"{'receive' if name == 'settlement' else 'send'}-{name}"] = {
            "action": "receive" if name == "settlement" else "send",
            "channel": {"$ref": f"#/channels/{name}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fundwatch",
            "version": "1",
            "description": f"What travels over Kafka. A settlement is at most {MAX_BYTES} bytes of UTF-8 JSON.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _render(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def main(arguments: list[str]) -> int:
    """Write the documents; with ``--check`` only say which are out of date (exit code 1)."""
    stale = [DOCS / path for path, text in documents().items() if not _is_current(DOCS / path, text)]
    if "--check" in arguments:
        for path in stale:
            print(f"docs/{path.relative_to(DOCS)} is not what the code says: run make schemas and commit it")
        return 1 if stale else 0
    for name, text in documents().items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_bytes(text)
    print(f"{len(stale)} documents written anew" if stale else "all documents were current")
    return 0


def _is_current(path: Path, text: bytes) -> bool:
    return path.exists() and path.read_bytes() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
