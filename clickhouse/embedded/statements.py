"""Reads just enough of a statement to run it as ClickHouse's HTTP interface would: what it is, its format, where its data begin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    rb"""(?P<gap>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
        |(?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
        |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
        |(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<other>.)""",
    re.S | re.X,
)
_AFTER_FORMAT: Final = re.compile(
    rb"[ \t\f\v]*;?[ \t\f\v]*\r?\n?"
)  # one line end and no more: the data may begin with bytes like space
_ANSWERING: Final = frozenset(
    {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "KILL", "FROM", "VALUES"}
)
_READING: Final = _ANSWERING - {"KILL", "CHECK"} | {"USE", "SET", ""}


@dataclass(frozen=True)
class Statement:
    """A statement cut for the engine.

    ``text`` is what to run; for an INSERT with data it ends before FORMAT or VALUES, and ``data`` are the bytes in ``format``.
    ``answers`` says that it yields a result set, ``reads`` that it changes nothing, ``keeps`` that it changes the session.
    """

    text: bytes
    format: str | None
    data: bytes | memoryview | None
    answers: bool
    reads: bool
    keeps: bool


def parse(text: bytes) -> Statement:
    """Cut one statement; never fails: what it cannot read goes to the engine as it is, whose error then says why."""
    words = _top_words(text)
    first = next(words, None)
    keyword = first[0] if first else ""
    if keyword == "INSERT":
        return _insert(text, words)
    form = None
    awaiting = False
    for word, start, _ in words:
        if awaiting:
            form = text[start : start + len(word)].decode()
            awaiting = False
        elif word == "FORMAT":
            awaiting = True
    bracketed = text.lstrip()[:1] == b"("  # (SELECT 1) UNION ALL (SELECT 2)
    answers = bracketed or keyword in _ANSWERING
    return Statement(text, form, None, answers, bracketed or keyword in _READING, keyword in ("SET", "USE"))


def _insert(text: bytes, words: Iterator[tuple[str, int, int]]) -> Statement:
    for word, start, end in words:
        if word in ("SELECT", "WITH", "FROM"):
            break
        if word == "VALUES":
            return Statement(text[:start], "Values", memoryview(text)[end:], False, False, False)
        if word == "FORMAT":
            named = next(words, None)
            if named is None:
                break
            form = text[named[1] : named[2]].decode()
            gap = _AFTER_FORMAT.match(text, named[2])
            begin = gap.end() if gap else named[2]
            return Statement(text[:start], form, memoryview(text)[begin:], False, False, False)
    return Statement(text, None, None, False, False, False)


def _top_words(text: bytes) -> Iterator[tuple[str, int, int]]:
    """The unquoted words outside brackets: upper case, start, end. Lazy, so that the data of an INSERT are never scanned."""
    depth, at = 0, 0
    while token := _TOKEN.match(text, at):
        at = token.end()
        if token.lastgroup == "word":
            if depth == 0:
                yield token[0].decode().upper(), token.start(), at
        elif token.lastgroup == "open":
            depth += 1
        elif token.lastgroup == "close":
            depth -= 1
