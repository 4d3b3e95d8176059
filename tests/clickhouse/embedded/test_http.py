"""ClickHouse's HTTP interface in front of chDB, spoken by hand, by clickhouse-connect and by many at once."""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import clickhouse_connect
import httpx
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.fixtures_clickhouse import EmbeddedServer

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    started = EmbeddedServer(tmp_path_factory.mktemp("http"))
    yield started
    started.stop()


@pytest.fixture
def http(server: EmbeddedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[Client]:
    made = connect(server)
    yield made
    made.close()


def connect(server: EmbeddedServer, **options: Any) -> Client:
    return clickhouse_connect.get_client(host="127.0.0.1", port=int(server.url.rpartition(":")[2]), **options)


class TestByHand:
    def test_a_query_may_be_in_the_url_or_the_body_or_both(self, http: httpx.Client) -> None:
        assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
        assert http.post("/", content="SELECT 2").text == "2\n"
        assert http.post("/", params={"query": "SELECT 3 +"}, content="4").text == "7\n"
        assert (
            http.post("/", data={}, files={"query": (None, "SELECT {x:String}"), "param_x": (None, "form")}).text
            == "form\n"
        )

    def test_the_format_is_the_statements_or_the_headers_or_the_default(self, http: httpx.Client) -> None:
        assert http.get("/", params={"query": "SELECT 1 AS a FORMAT CSVWithNames"}).text == '"a"\n1\n'
        assert http.get("/", params={"query": "SELECT 1 AS a", "default_format": "JSONEachRow"}).text == '{"a":1}\n'
        headed = http.get("/", params={"query": "SELECT 1 AS a"}, headers={"X-ClickHouse-Format": "JSONCompact"})
        assert headed.json()["data"] == [[1]]
        assert headed.headers["content-type"] == "application/json"
        assert headed.headers["x-clickhouse-format"] == "JSONCompact"

    def test_parameters_and_settings(self, http: httpx.Client) -> None:
        query = "SELECT {a:String}, {b:Array(UInt8)}, getSetting('max_block_size')"
        answer = http.get(
            "/", params={"query": query, "param_a": "it's \\t", "param_b": "[1,2]", "max_block_size": "77"}
        )
        assert answer.text == "it\\'s \\t\t[1,2]\t77\n"
        assert http.get("/", params={"query": "SELECT getSetting('max_block_size')"}).text != "77\n"

    def test_the_database(self, http: httpx.Client) -> None:
        http.post("/", content="CREATE DATABASE IF NOT EXISTS other").raise_for_status()
        assert http.get("/", params={"query": "SELECT currentDatabase()", "database": "other"}).text == "other\n"
        assert http.get("/", params={"query": "SELECT currentDatabase()"}).text == "default\n"
        assert (
            http.get("/", params={"query": "SELECT 1", "database": "absent"}).headers["x-clickhouse-exception-code"]
            == "81"
        )

    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("SELECT * FROM absent", 404, 60),
            ("DROP", 400, 62),
            ("", 400, 62),
            ("SELECT throwIf(1)", 500, 395),
            ("SELECT {a:UInt8}", 500, 456),
            ("INSERT INTO absent FORMAT TSV\n1", 404, 60),
        ],
    )
    def test_errors_are_clickhouses(self, http: httpx.Client, query: str, status: int, code: int) -> None:
        answer = http.post("/", content=query)
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (status, str(code))
        assert answer.text.startswith(f"Code: {code}. DB::Exception: ")

    def test_an_unknown_setting_is_refused(self, http: httpx.Client) -> None:
        for name in ("max_thread", "a b;DROP TABLE x"):
            answer = http.get("/", params={"query": "SELECT 1", name: "1"})
            assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "115")
        assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"

    def test_get_changes_nothing(self, http: httpx.Client) -> None:
        answer = http.get("/", params={"query": "CREATE TABLE sneaky (a Int8) ENGINE = Memory"})
        assert answer.headers["x-clickhouse-exception-code"] == "164"
        assert http.get("/", params={"query": "EXISTS TABLE sneaky"}).text == "0\n"

    def test_a_page_in_a_browser_gets_nothing(self, http: httpx.Client) -> None:
        answer = http.post("/", content="SELECT 1", headers={"Origin": "http://elsewhere.example"})
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (403, "516")

    @pytest.mark.parametrize(
        ("coding", "pack"),
        [
            ("lz4", lz4.frame.compress),
            ("zstd", lambda data: b"".join(zstandard.compress(data[i : i + 5]) for i in range(0, len(data), 5))),
            ("gzip", gzip.compress),
            ("deflate", zlib.compress),
        ],
    )
    def test_bodies_are_compressed_both_ways(
        self, http: httpx.Client, coding: str, pack: Callable[[bytes], bytes]
    ) -> None:
        http.post(
            "/", content=f"CREATE OR REPLACE TABLE packed_{coding} (a UInt32, b String) ENGINE = Memory"
        ).raise_for_status()
        body = pack("".join(f"{n}\ttext{n}\n" for n in range(500)).encode())
        into = {"query": f"INSERT INTO packed_{coding} FORMAT TSV"}
        stored = http.post("/", params=into, content=body, headers={"Content-Encoding": coding})
        assert stored.headers["x-clickhouse-summary"].startswith('{"written_rows": "500"')
        ask = {"query": f"SELECT * FROM packed_{coding} ORDER BY a", "enable_http_compression": "1"}
        with http.stream("GET", "/", params=ask, headers={"Accept-Encoding": coding}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == coding
        unpack = {
            "lz4": lz4.frame.decompress,
            "zstd": zstandard.decompress,
            "gzip": gzip.decompress,
            "deflate": zlib.decompress,
        }
        assert unpack[coding](raw).count(b"\n") == 500

    def test_what_it_cannot_unpack_it_says(self, http: httpx.Client) -> None:
        wrong = http.post("/", content=b"not lz4", headers={"Content-Encoding": "lz4"})
        assert wrong.headers["x-clickhouse-exception-code"] == "271"
        unknown = http.post("/", content=b"x", headers={"Content-Encoding": "snappy"})
        assert "Expected a body in lz4, zstd, gzip, deflate" in unknown.text

    def test_sessions_keep_what_is_set_in_them(self, http: httpx.Client) -> None:
        mine = {"session_id": "mine"}
        http.post("/", params=mine, content="CREATE TEMPORARY TABLE kept (a Int8)").raise_for_status()
        http.post("/", params=mine, content="INSERT INTO kept VALUES (1), (2)").raise_for_status()
        http.post("/", params=mine, content="SET max_block_size = 99").raise_for_status()
        assert (
            http.get("/", params=mine | {"query": "SELECT count(), getSetting('max_block_size') FROM kept"}).text
            == "2\t99\n"
        )
        assert http.get("/", params={"query": "SELECT count() FROM kept"}).status_code == 404
        missing = http.get("/", params={"query": "SELECT 1", "session_id": "absent", "session_check": "1"})
        assert missing.headers["x-clickhouse-exception-code"] == "372"

    def test_without_a_session_set_and_use_end_with_their_request(self, http: httpx.Client) -> None:
        http.post("/", content="SET max_block_size = 55").raise_for_status()
        http.post("/", content="USE system").raise_for_status()
        for _ in range(10):
            assert (
                http.get("/", params={"query": "SELECT currentDatabase(), getSetting('max_block_size') = 55"}).text
                == "default\t0\n"
            )

    def test_a_session_is_for_one_statement_at_a_time(self, server: EmbeddedServer) -> None:
        def ask(_: int) -> str:
            query = {
                "query": "SELECT sleep(2)",
                "session_id": "busy",
            }
            return httpx.get(server.url, params=query, timeout=60).headers.get("x-clickhouse-exception-code", "")

        with ThreadPoolExecutor(2) as threads:
            assert set(threads.map(ask, range(2))) == {"", "373"}


class TestByDriver:
    def test_every_kind_of_column_comes_back(self, client: Client) -> None:
        client.command(
            "CREATE OR REPLACE TABLE kinds (a Decimal(18, 2), b Nullable(String), c LowCardinality(String), d Array(String), "
            "e Map(String, UInt64), f DateTime('Asia/Shanghai'), g DateTime64(3, 'Asia/Shanghai'), h LowCardinality(Nullable(String)), "
            "i Float64, j Bool, k Array(Tuple(x String, y Int32)), l Date) ENGINE = MergeTree ORDER BY a"
        )
        at = datetime(2025, 3, 10, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
        row = [
            Decimal("-12.30"), None, "低", ["p", ""], {"k": 2**60}, at, at.replace(microsecond=123000), None, 0.1, True,
            [{"x": "'\\\n", "y": -1}], at.date(),
        ]  # fmt: skip
        assert client.insert("kinds", [row] * 12).written_rows == 12  # 12 columns: data begin with a form feed
        found = client.query("SELECT * FROM kinds").result_rows
        assert [list(one) for one in found] == [row] * 12

    def test_queries_commands_parameters_settings(self, client: Client) -> None:
        values = {"a": "it's \\ \n\t 你", "b": ["x'y", ""], "n": 3, "d": datetime(2025, 1, 1, tzinfo=UTC)}
        found = client.query(
            "SELECT {a:String}, {b:Array(String)}, {n:UInt8}, {d:DateTime('Asia/Shanghai')}", parameters=values
        )
        assert list(found.first_row or ()) == list(values.values())
        assert client.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 5}).first_row == (5,)
        assert client.command("SELECT 2 + 3") == 5
        assert client.query("SELECT 1 AS a WHERE 0").result_rows == []
        assert client.query("SELECT 1 AS a, 'x' AS b LIMIT 0").column_names == ("a", "b")
        long = "x" * 50_000  # goes as a form
        assert client.query("SELECT {a:String}", parameters={"a": long}).first_row == (long,)

    def test_errors_carry_their_code(self, client: Client) -> None:
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as error:
            client.query("SELECT * FROM absent")
        assert error.value.code == 60

    def test_big_inserts_and_answers(self, client: Client) -> None:
        client.command("CREATE OR REPLACE TABLE big (n UInt64, t String) ENGINE = MergeTree ORDER BY n")
        size = 300_000
        for compression in (True, False):
            client.insert(
                "big", [range(size), [f"text {n}" for n in range(size)]], column_oriented=True, column_names=["n", "t"]
            )
            assert compression in (True, False)
        assert client.query("SELECT count(), uniqExact(t) FROM big").first_row == (2 * size, size)
        assert len(client.query("SELECT * FROM big").result_rows) == 2 * size

    async def test_the_async_client_works_unchanged(self, server: EmbeddedServer) -> None:
        port = int(server.url.rpartition(":")[2])
        client = await clickhouse_connect.get_async_client(host="127.0.0.1", port=port, autogenerate_session_id=False)
        await client.command("CREATE OR REPLACE TABLE awaited (a UInt32) ENGINE = MergeTree ORDER BY a")
        await client.insert("awaited", [[n] for n in range(100)], column_names=["a"])
        answers = await asyncio.gather(
            *(client.query("SELECT sum(a) FROM awaited WHERE a < {n:UInt32}", {"n": n}) for n in range(30))
        )
        assert [answer.first_row for answer in answers] == [(sum(range(n)),) for n in range(30)]
        await client.close()

    def test_many_clients_at_once(self, server: EmbeddedServer, client: Client) -> None:
        client.command("CREATE OR REPLACE TABLE shared (who UInt8, n UInt32) ENGINE = MergeTree ORDER BY (who, n)")

        def work(who: int) -> None:
            own = connect(server, autogenerate_session_id=who % 2 == 0)
            for start in range(0, 200, 20):
                own.insert("shared", [[who, n] for n in range(start, start + 20)], column_names=["who", "n"])
                query = "SELECT count() FROM shared WHERE who = {who:UInt8}"
                assert own.query(query, {"who": who}, settings={"max_threads": who + 1}).first_row == (start + 20,)
            own.close()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        assert client.query("SELECT count(), uniqExact(who, n) FROM shared").first_row == (1600, 1600)

    def test_a_slow_query_does_not_hold_up_others(self, server: EmbeddedServer, client: Client) -> None:
        finished = threading.Event()

        def slow() -> None:
            connect(server).query("SELECT sleep(3)")
            finished.set()

        thread = threading.Thread(target=slow)
        thread.start()
        for _ in range(5):
            client.query("SELECT 1")
        assert not finished.is_set()
        thread.join()


class TestPassword:
    def test_is_asked_for_if_there_is_one(self, embedded_server: Callable[..., EmbeddedServer]) -> None:
        server = embedded_server(FUNDWATCH_CLICKHOUSE_PASSWORD="geheim")
        assert httpx.get(f"{server.url}/ping").text == "Ok.\n"
        refused = httpx.post(server.url, content="SELECT 1")
        assert (refused.status_code, refused.headers["x-clickhouse-exception-code"]) == (403, "516")
        assert httpx.post(server.url, content="SELECT 1", headers={"X-ClickHouse-Key": "geheim"}).text == "1\n"
        assert httpx.post(server.url, content="SELECT 1", auth=("default", "falsch")).status_code == 403
        assert connect(server, password="geheim").command("SELECT 1") == 1
