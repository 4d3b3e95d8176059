"""Writes the field tables of ``docs/integration.md`` from the models of the envelope, or checks that what stands there is current.

python -m streams.gateway.publish [--check]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streams.gateway.dtos import AuditRequest, Envelope, FeedbackRequest
from streams.gateway.replies import Reply

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "integration.md"
_BLOCK: Final = re.compile(r"(?P<open><!-- table: (?P<name>[\w.]+) -->\n).*?(?P<close><!-- end -->)", re.DOTALL)
_ENVELOPE_ONLY: Final = frozenset({"input"})


def models() -> dict[str, type[BaseModel]]:
    """Every object of the interface by its name; the envelope once, its body left to the transactions."""
    found: dict[str, type[BaseModel]] = {Envelope.__name__: Envelope}
    for root in (AuditRequest, FeedbackRequest):
        for inner in _inside(root.model_fields["input"].annotation):
            _collect(inner, found)
    _collect(Reply, found)
    return {name: model for name, model in found.items() if name not in {"AuditInput", "FeedbackInput"}}


def tables() -> dict[str, str]:
    """The table of every object by its name."""
    return {name: _table(model) for name, model in models().items()}


def filled(page: str) -> str:
    """The page with every table as the models say. Raises ValueError for a table that has no place or a place without one."""
    wanted = tables()
    places = [block["name"] for block in _BLOCK.finditer(page)]
    astray = wanted.keys() ^ set(places)
    if astray or len(places) != len(wanted):
        raise ValueError(
            f"{PAGE.name}: expected one <!-- table: NAME --> ... <!-- end --> for each of {', '.join(sorted(wanted))}; "
            f"look at {', '.join(sorted(astray)) or 'those that stand twice'}"
        )
    return _BLOCK.sub(lambda block: f"{block['open']}\n{wanted[block['name']]}\n{block['close']}", page)


def _collect(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    found[model.__name__] = model
    for field in model.model_fields.values():
        for inner in _inside(field.annotation):
            if inner.__name__ not in found:
                _collect(inner, found)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inside(part)


def _table(model: type[BaseModel]) -> str:
    head = ("field", "national type", "national", "needed here", "at most", "meaning")
    rows = [_row(model, name, field) for name, field in model.model_fields.items() if name not in _ENVELOPE_ONLY]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ("---",) * len(head), *rows))


def _row(model: type[BaseModel], name: str, field: FieldInfo) -> tuple[str, ...]:
    notes = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kind = str(notes.get("x-national-type") or _kind(field.annotation))
    most = next((str(one.max_length) for one in field.metadata if getattr(one, "max_length", None)), "")
    inner = next(_inside(field.annotation), None)
    meaning = field.description or ""
    if inner is not None:
        meaning = f"{meaning} → {inner.__name__}".strip()
    needed = "Y" if _needed(field) else ""
    return f"`{name}`", kind, str(notes.get("x-national-required", "ext.")), needed, most, meaning


def _needed(field: FieldInfo) -> bool:
    return field.is_required() and NoneType not in get_args(field.annotation)


def _kind(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _kind(next(one for one in inside if one is not NoneType))
    if origin is list:
        return "list"
    return {str: "str", int: "num", float: "num", bool: "bool"}.get(annotation, "object")


def main(arguments: list[str]) -> int:
    """Write the page; with ``--check`` only say whether it is out of date (exit code 1)."""
    page = PAGE.read_text("utf-8")
    current = filled(page)
    if "--check" in arguments:
        if page != current:
            print("docs/integration.md is not what the models say: run make schemas and commit it")
        return int(page != current)
    PAGE.write_text(current, "utf-8")
    print("all tables were current" if page == current else "docs/integration.md written anew")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
