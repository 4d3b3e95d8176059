"""docs/detection.md says what the rule files say, for every rule, and its examples can be loaded."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from detectors import load_exceptions, load_rules
from detectors.publish import PAGE, filled, main, tables

DOCS = PAGE.parent
LINK = re.compile(r"\]\((?P<file>[\w./-]*)(?:#(?P<anchor>[\w-]+))?\)")


def test_every_table_is_current() -> None:
    """After a change of a rule file: make schemas."""
    page = PAGE.read_text("utf-8")
    assert filled(page, load_rules()) == page
    assert main(["--check"]) == 0


def test_a_table_tells_every_parameter_and_every_exception() -> None:
    book = load_rules()
    found = tables(book)
    for rule in book.rules:
        for name, parameter in rule.parameters.items():
            assert f"| `{name}` | {parameter.title} | {parameter.value:,} {parameter.unit} |" in found[rule.detector]
        for name, why in rule.exceptions.items():
            assert f"- `{name}`: {why}\n" in found[rule.detector]


def test_a_rule_without_its_place_is_noticed() -> None:
    page, book = PAGE.read_text("utf-8"), load_rules()
    other = msgspec.structs.replace(book.rules[0], detector=book.rules[1].detector)
    with pytest.raises(ValueError, match=re.escape(book.rules[0].detector)):
        filled(page, msgspec.structs.replace(book, rules=(other, *book.rules[1:])))
    with pytest.raises(ValueError, match="stand twice"):
        filled(page + "<!-- table: general -->\n<!-- end -->\n", book)


def test_the_exception_of_the_page_can_be_filed(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    path = tmp_path / "exceptions.toml"
    path.write_text(block[1], "utf-8")
    (filed,) = load_exceptions(path, load_rules())
    assert (filed.subject_type, str(filed.last)) == ("agent", "2025-12-31")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text("utf-8")):
        target = page.parent / link["file"] if link["file"] else page
        assert target.exists(), link[0]
        if link["anchor"]:
            heads = [line.lstrip("# ") for line in target.read_text("utf-8").splitlines() if line.startswith("#")]
            assert link["anchor"] in {re.sub(r"[^\w\s-]", "", head.lower()).replace(" ", "-") for head in heads}
