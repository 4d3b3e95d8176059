"""Starts the embedded ClickHouse: ``python -m clickhouse.embedded --data-dir D --port P``; ends on SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import uvicorn

from clickhouse.settings import StoreSettings

_NICE: Final = 5
"""On a machine that also judges and answers hospitals: rows may come a moment later, answers may not."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code, 2 for a folder or port that cannot be had (said in plain words)."""
    parser = argparse.ArgumentParser(prog="python -m clickhouse.embedded", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the store, made if missing")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    settings = StoreSettings()
    password = settings.clickhouse_password.get_secret_value()
    if not password and options.host not in ("127.0.0.1", "::1", "localhost"):
        print(
            f"expected FUNDWATCH_CLICKHOUSE_PASSWORD to serve on {options.host}: without one, only loopback",
            file=sys.stderr,
        )
        return 2
    # chDB leaves the zone out of DateTime columns in Native, so the client reads them in the server's zone, which therefore has
    # to be the fund's; chDB takes it from the environment when it is loaded, hence the late imports
    os.nice(_NICE)  # before the engine is loaded: its threads take it from here
    os.environ["TZ"] = settings.timezone
    time.tzset()
    from clickhouse.embedded.engine import Engine, FolderInUse
    from clickhouse.embedded.http import HttpFront

    listener = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
        listener.listen(512)  # before the engine opens: an early client waits instead of failing
        engine = Engine(options.data_dir)
    except FolderInUse as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot serve {options.data_dir} on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 2
    front = HttpFront(engine, password)
    config = uvicorn.Config(
        front.app(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
    )
    print(f"listening on http://{options.host}:{listener.getsockname()[1]}", flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn ends on these by itself, then raises them again for whoever handled them before; the engine is still to close
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])
    front.close()
    engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
