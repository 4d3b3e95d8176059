"""The page that describes the interface, from its own OpenAPI document, without anything from elsewhere."""

from __future__ import annotations

from typing import Any

from nicegui import ui


def build_reference(document: dict[str, Any]) -> None:
    """Every path of an OpenAPI document with its parameters and what its text says."""
    ui.label("/api 下的每次调用都要带请求头 Authorization: Bearer <token>。机器可读的描述：").classes("desk-note")
    ui.link("/openapi.json", "/openapi.json")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            with ui.element("div").classes("desk-card"):
                ui.label(f"{method.upper()} {path}").classes("desk-finding")
                ui.label(operation.get("description") or operation.get("summary", ""))
                if operation.get("parameters"):
                    _parameters(operation["parameters"])


def _parameters(parameters: list[dict[str, Any]]) -> None:
    columns = [
        {"name": name, "label": name, "field": name, "align": "left"}
        for name in ("name", "in", "required", "type", "description")
    ]
    rows = [
        {
            "name": one["name"],
            "in": one["in"],
            "required": "yes" if one.get("required") else "",
            "type": _type(one.get("schema", {})),
            "description": one.get("description", ""),
        }
        for one in parameters
    ]
    ui.table(rows=rows, columns=columns, row_key="name", pagination=0).classes("desk-list").props(
        "flat dense hide-bottom"
    )


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return f"{_type(schema.get('items', {}))}[]"
    return " | ".join(schema["enum"]) if "enum" in schema else str(schema.get("type", ""))
