from __future__ import annotations

import pytest

from clickhouse.embedded.statements import parse


@pytest.mark.parametrize(
    ("text", "form", "data"),
    [
        (
            b"INSERT INTO t FORMAT Native\n\x0c\x01abc",
            "Native",
            b"\x0c\x01abc",
        ),  # 12 columns: the first byte is a form feed
        (b"INSERT INTO t (a, b) FORMAT Native\n\n\x01", "Native", b"\n\x01"),  # 10 columns: a line feed
        (b"INSERT INTO t FORMAT Native\r\n\r", "Native", b"\r"),
        (b"INSERT INTO t FORMAT Native \t\n \x01", "Native", b" \x01"),
        (b"INSERT INTO t FORMAT CSV 1,2\n", "CSV", b"1,2\n"),
        (b"insert into t settings a='FORMAT x' format JSONEachRow\n{}", "JSONEachRow", b"{}"),
        (b'INSERT INTO `FORMAT` ("VALUES", format) FORMAT TSV\nx', "TSV", b"x"),
        (b"INSERT INTO t /* FORMAT CSV */ -- VALUES\n FORMAT TSV\nx", "TSV", b"x"),
        (b"INSERT INTO t (a) VALUES (1), ('FORMAT x')", "Values", b" (1), ('FORMAT x')"),
        (b"INSERT INTO t FORMAT TSV", "TSV", b""),
    ],
)
def test_data_begin_after_one_line_end(text: bytes, form: str, data: bytes) -> None:
    statement = parse(text)
    assert statement.format == form
    assert statement.data is not None
    assert bytes(statement.data) == data
    assert not statement.answers
    assert not statement.reads


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t SELECT * FROM u",
        b"INSERT INTO t (a) SELECT 'FORMAT' FROM u FORMAT Null",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    ],
)
def test_an_insert_without_data_goes_whole(text: bytes) -> None:
    statement = parse(text)
    assert (statement.text, statement.data, statement.answers) == (text, None, False)


@pytest.mark.parametrize(
    ("text", "form", "answers", "reads"),
    [
        (b"SELECT 1", None, True, True),
        (b"select 1 format JSON", "JSON", True, True),
        (b"SELECT 'FORMAT CSV' -- FORMAT TSV\n FORMAT Native ;", "Native", True, True),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV", True, True),
        (b"SELECT (SELECT 1 AS format)", None, True, True),
        (b"/* x */ WITH 1 AS a SELECT a", None, True, True),
        (b"(SELECT 1) UNION ALL (SELECT 2)", None, True, True),
        (b"SHOW TABLES", None, True, True),
        (b"CREATE TABLE t (a Int8) ENGINE = Memory", None, False, False),
        (b"ALTER TABLE t DROP COLUMN a", None, False, False),
        (b"DROP TABLE t", None, False, False),
        (b"KILL QUERY WHERE 1", None, True, False),
        (b"SET max_threads = 1", None, False, True),
    ],
)
def test_statements_are_told_apart(text: bytes, form: str | None, answers: bool, reads: bool) -> None:
    statement = parse(text)
    assert (statement.format, statement.answers, statement.reads) == (form, answers, reads)
    assert statement.keeps == text.startswith(b"SET")


@pytest.mark.parametrize(
    "text", [b"", b"   ", b"\xff\xfe", b"'open", b"/* open", b"SELECT `open", b"INSERT", b"INSERT INTO t FORMAT"]
)
def test_what_cannot_be_read_goes_to_the_engine_as_it_is(text: bytes) -> None:
    assert parse(text).text == text
