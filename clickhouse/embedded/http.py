"""ClickHouse's HTTP interface, as clickhouse-connect, curl and Grafana speak it, in front of an engine."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import io
import json
import uuid
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import lz4.frame
import structlog
import zstandard
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clickhouse.embedded.engine import BAD_ARGUMENTS, Answer, Call, Engine, EngineError
from clickhouse.embedded.statements import parse

_LOG: Final = structlog.get_logger(__name__)
_COMPRESS_FROM: Final = 1024
# Parameters of the transport, not of the engine; everything else in the URL is a setting.
_TRANSPORT: Final = frozenset(
    {
        "query", "database", "default_format", "session_id", "session_timeout", "session_check", "query_id", "user", "password",
        "quota_key", "role", "stacktrace", "buffer_size", "wait_end_of_query", "compress", "decompress", "client_protocol_version",
        "enable_http_compression", "http_zlib_compression_level", "network_compression_method", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close", "add_http_cors_header",
        "http_write_exception_in_output_format",
    }
)  # fmt: skip
_STATUS: Final = {
    **dict.fromkeys((6, 27, 26, 38, 41, 53, 62, 69, 72, 117, 130, 131, 407, 441, 457, 36, 42, 43), 400),
    **dict.fromkeys((16, 46, 47, 50, 56, 60, 63, 73, 81, 115, 372), 404),
    48: 501,
    159: 408,
    194: 401,
    209: 503,
    516: 403,
    497: 403,
}
_TYPES: Final = {
    "JSON": "application/json", "JSONCompact": "application/json", "JSONStrings": "application/json",
    "JSONEachRow": "application/x-ndjson", "JSONCompactEachRow": "application/x-ndjson", "CSV": "text/csv; charset=UTF-8",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present", "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8", "Native": "application/octet-stream", "XML": "application/xml",
    "RowBinary": "application/octet-stream", "Parquet": "application/octet-stream", "Arrow": "application/octet-stream",
}  # fmt: skip


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()


def _unlz4(data: bytes) -> bytes:
    with lz4.frame.open(io.BytesIO(data)) as frames:
        return bytes(frames.read())


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "lz4": _unlz4, "zstd": _unzstd, "gzip": gzip.decompress, "deflate": zlib.decompress,
}  # fmt: skip
_ENCODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
    "gzip": lambda data: gzip.compress(data, 3),
    "deflate": lambda data: zlib.compress(data, 3),
}


class HttpFront:
    """Requests in, statements run on the engine's threads, answers out. An empty ``password`` asks for none."""

    def __init__(self, engine: Engine, password: str = "", threads: int = 8) -> None:
        self._engine = engine
        self._password = password
        self._threads = ThreadPoolExecutor(threads, "statement")

    def app(self) -> Starlette:
        """The ASGI application: ``/`` for statements, ``/ping`` and ``/replicas_status`` for readiness."""
        return Starlette(
            routes=[
                Route("/", self._statement, methods=["GET", "POST"]),
                Route("/ping", self._ping),
                Route("/replicas_status", self._ping),
            ]
        )

    def close(self) -> None:
        """Wait for what runs."""
        self._threads.shutdown(wait=True)

    async def _ping(self, request: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    async def _statement(self, request: Request) -> Response:
        parameters = dict(request.query_params)
        query_id = parameters.get("query_id") or request.headers.get("x-clickhouse-query-id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Server-Display-Name": "fundwatch-embedded",
            "X-ClickHouse-Timezone": self._engine.timezone,
        }
        try:
            text = await self._text(request, parameters)
            if not self._allowed(request, parameters):
                raise EngineError(
                    516,
                    "Code: 516. DB::Exception: default: Authentication failed: password is incorrect, or there is no user with "
                    "such name. (AUTHENTICATION_FAILED)",
                )
            answer, encoding = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._run, text, request.method, parameters, dict(request.headers)
            )
        except EngineError as error:
            return self._failure(error, headers)
        headers["X-ClickHouse-Summary"] = json.dumps(answer.summary)
        if answer.format:
            headers["X-ClickHouse-Format"] = answer.format
        if encoding:
            headers["Content-Encoding"] = encoding
        return Response(answer.body, headers=headers, media_type=_TYPES.get(answer.format or "", "text/plain"))

    async def _text(self, request: Request, parameters: dict[str, str]) -> bytes:
        """The whole statement: the query of the URL, a line end, the body; a form's fields count as URL parameters."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form() as form:
                for name, value in form.items():
                    if isinstance(value, UploadFile):
                        raise EngineError(
                            48, "Code: 48. DB::Exception: External tables are not supported. (NOT_IMPLEMENTED)"
                        )
                    parameters[name] = value
            return parameters.get("query", "").encode()
        body = await request.body()
        coding = request.headers.get("content-encoding", "identity").lower()
        if body and coding != "identity":
            decode = _DECODERS.get(coding)
            if decode is None:
                raise EngineError(
                    48,
                    f"Code: 48. DB::Exception: Expected a body in {', '.join(_DECODERS)} or uncompressed, got {coding}. "
                    "(NOT_IMPLEMENTED)",
                )
            try:
                body = await asyncio.get_running_loop().run_in_executor(self._threads, decode, body)
            except (RuntimeError, EOFError, OSError, ValueError, zlib.error, zstandard.ZstdError) as error:
                raise EngineError(
                    271,
                    f"Code: 271. DB::Exception: Cannot decompress the {coding} body: {error}. (CANNOT_DECOMPRESS)",
                ) from None
        query = parameters.get("query", "").encode()
        if query and body:
            return query + b"\n" + body
        return query or body

    def _allowed(self, request: Request, parameters: Mapping[str, str]) -> bool:
        if not self._password:
            # A page in somebody's browser may reach a port on loopback; programs send no Origin
            return "origin" not in request.headers
        given = parameters.get("password") or request.headers.get("x-clickhouse-key") or ""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(credentials).decode().partition(":")[2]
            except ValueError:
                return False
        return hmac.compare_digest(given.encode(), self._password.encode())

    def _run(
        self, text: bytes, method: str, parameters: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Answer, str | None]:
        statement = parse(text)
        if not text.strip():
            raise EngineError(62, "Code: 62. DB::Exception: Syntax error: Empty query. (SYNTAX_ERROR)")
        if method == "GET" and not statement.reads:
            raise EngineError(
                164,
                "Code: 164. DB::Exception: Cannot execute query in readonly mode. For queries over HTTP, method GET implies "
                "readonly. You should use method POST for modifying queries. (READONLY)",
            )
        if parameters.get("compress") == "1" or parameters.get("decompress") == "1":
            raise EngineError(
                48,
                "Code: 48. DB::Exception: ClickHouse's own block compression over HTTP is not supported here: use "
                "Accept-Encoding and Content-Encoding. (NOT_IMPLEMENTED)",
            )
        answer = self._engine.run(statement, self._call(parameters, headers))
        encoding = None
        if parameters.get("enable_http_compression") == "1" and len(answer.body) >= _COMPRESS_FROM:
            accepted = [part.split(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")]
            encoding = next((name for name in _ENCODERS if name in accepted), None)
            if encoding:
                answer = Answer(_ENCODERS[encoding](answer.body), answer.format, answer.summary)
        return answer, encoding

    def _call(self, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Call:
        try:
            timeout = float(parameters.get("session_timeout", "60"))
        except ValueError:
            raise EngineError(
                BAD_ARGUMENTS,
                f"Code: {BAD_ARGUMENTS}. DB::Exception: Expected seconds in session_timeout, got {parameters['session_timeout']!r}. "
                "(BAD_ARGUMENTS)",
            ) from None
        return Call(
            database=parameters.get("database") or headers.get("x-clickhouse-database") or "default",
            parameters={name[6:]: value for name, value in parameters.items() if name.startswith("param_")},
            settings={
                name: value
                for name, value in parameters.items()
                if name not in _TRANSPORT and not name.startswith("param_")
            },
            format=headers.get("x-clickhouse-format") or parameters.get("default_format") or "TabSeparated",
            session=parameters.get("session_id") or None,
            session_timeout=timeout,
            session_must_exist=parameters.get("session_check") == "1",
        )

    def _failure(self, error: EngineError, headers: dict[str, str]) -> Response:
        _LOG.info("statement_failed", code=error.code)
        body = f"{error} (version {self._engine.version} (embedded))\n"
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        return PlainTextResponse(body, _STATUS.get(error.code, 500), headers)
