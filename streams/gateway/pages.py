"""The gateway's description of its own interface as a page without scripts, and nothing from another host."""

from __future__ import annotations

from html import escape
from typing import Any, Final

_HEAD: Final = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>Fundwatch 审核接口</title><style>
body{font:15px/1.6 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a2230}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
td,th{border:1px solid #cdd5e0;padding:.2rem .6rem;text-align:left;vertical-align:top}
code{font-family:ui-monospace,monospace}h2{margin-top:2.5rem;font-size:1.15rem}h3{font-size:1rem}
</style></head><body><h1>Fundwatch 审核接口</h1><p>OpenAPI: <a href="openapi.json">openapi.json</a></p>"""


def describe(document: dict[str, Any]) -> str:
    """An OpenAPI document as HTML: every path, then every object with its fields."""
    page = [_HEAD]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            page.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(told.get('summary', ''))}</p>"
            )
            page.append(f"<p>{escape(told.get('description', ''))}</p><table><tr><th>status</th><th>answer</th></tr>")
            for status, answer in told.get("responses", {}).items():
                page.append(f"<tr><td>{status}</td><td>{escape(answer.get('description', ''))}</td></tr>")
            page.append("</table>")
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        fields = schema.get("properties", {})
        if not fields:
            continue
        page.append(f'<h3 id="{escape(name)}"><code>{escape(name)}</code></h3>')
        page.append(f"<p>{escape(schema.get('description', ''))}</p>")
        page.append("<table><tr><th>field</th><th>required</th><th>type</th><th>meaning</th></tr>")
        needed = schema.get("required", ())
        for field, kind in fields.items():
            page.append(
                f"<tr><td><code>{escape(field)}</code></td><td>{'Y' if field in needed else ''}</td>"
                f"<td>{_type(kind)}</td><td>{escape(kind.get('description', ''))}</td></tr>"
            )
        page.append("</table>")
    page.append("</body></html>")
    return "".join(page)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("x-national-type") or schema.get("type", "")))
