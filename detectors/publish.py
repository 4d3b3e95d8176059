"""Writes the tables of ``docs/detection.md`` from the rule files, or checks that what stands there is current.

python -m detectors.publish [--check]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from detectors.exemptions import REASONS
from detectors.parameters import Parameter, RuleBook, RuleSetting, load_rules
from detectors.rule import rule_class

LIGHTS: Final = ("red", "yellow", "green")
PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "detection.md"
_BLOCK: Final = re.compile(r"(?P<open><!-- table: (?P<name>[\w.]+) -->\n).*?(?P<close><!-- end -->)", re.DOTALL)


def tables(book: RuleBook) -> dict[str, str]:
    """Every table by its name: one per detector, ``general``, ``exceptions`` and ``severity``."""
    found = {rule.detector: _rule_table(rule) for rule in book.rules}
    found["general"] = _parameter_table(book.general)
    found["exceptions"] = _exception_table(book)
    found["severity"] = _table(("light", "`sev_deg`"), ((light, f"`{book.severity[light]}`") for light in LIGHTS))
    return found


def filled(page: str, book: RuleBook) -> str:
    """The page with every table as the rule files say. Raises ValueError for a table that has no place or a place without one."""
    wanted = tables(book)
    places = [block["name"] for block in _BLOCK.finditer(page)]
    astray = wanted.keys() ^ set(places)
    if astray or len(places) != len(wanted):
        raise ValueError(
            f"{PAGE.name}: expected one <!-- table: NAME --> ... <!-- end --> for each of {', '.join(sorted(wanted))}; "
            f"look at {', '.join(sorted(astray)) or 'those that stand twice'}"
        )
    return _BLOCK.sub(lambda block: f"{block['open']}{wanted[block['name']]}{block['close']}", page)


def _rule_table(rule: RuleSetting) -> str:
    head = (
        f"`{rule.detector}` {rule.title} · looks at: {rule_class(rule.detector).subject} · one alert per {rule.episode} · "
        f"version {rule.version}\n\n依据：{rule.basis}\n\n"
    )
    reasons = [f"- `{name}`: {why}\n" for name, why in rule.exceptions.items()] or ["- none\n"]
    return f"\n{head}{_parameter_table(rule.parameters)}\nExceptions:\n\n{''.join(reasons)}\n"


def _parameter_table(parameters: dict[str, Parameter]) -> str:
    rows = [
        (f"`{name}`", one.title, f"{one.value:,} {one.unit}", f"{one.min:,} to {one.max:,}", one.basis)
        for name, one in parameters.items()
    ]
    return _table(("parameter", "meaning", "default", "range", "basis"), rows)


def _exception_table(book: RuleBook) -> str:
    used = [name for name in REASONS if any(name in rule.exceptions for rule in book.rules)]
    rows = [(f"`{rule.detector}`", *("yes" if name in rule.exceptions else "" for name in used)) for rule in book.rules]
    return _table(("rule", *(f"`{name}`" for name in used)), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = tuple(head)
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Write the page; with ``--check`` only say whether it is out of date (exit code 1)."""
    page = PAGE.read_text("utf-8")
    current = filled(page, load_rules())
    if "--check" in arguments:
        if page != current:
            print("docs/detection.md is not what the rule files say: run make schemas and commit it")
        return int(page != current)
    PAGE.write_text(current, "utf-8")
    print("all tables were current" if page == current else "docs/detection.md written anew")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
