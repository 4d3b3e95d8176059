"""The yardstick: a stock Faust agent that does nothing, on the same broker and the same messages.

Run as its own process (``python -m benchmarks.stock_faust BOOTSTRAP TOPIC EVENTS``); its last line is one JSON object with the
events and the seconds from the first to the last of them.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator

import faust


def main(bootstrap: str, topic: str, events: int) -> None:
    """Consume ``events`` messages with an empty agent, then stop."""
    folder = tempfile.mkdtemp(prefix="fundwatch-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    app = faust.App(
        f"bench-stock-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        datadir=folder,
    )
    settlements = app.topic(topic, value_serializer="raw", key_serializer="raw")
    seen = 0
    started = 0.0

    @app.agent(settlements)
    async def empty(stream: AsyncIterator[bytes]) -> None:
        nonlocal seen, started
        async for _ in stream:
            if not seen:
                started = time.perf_counter()
            seen += 1
            if seen == events:
                print(json.dumps({"events": seen, "seconds": time.perf_counter() - started}), flush=True)
                os.kill(os.getpid(), signal.SIGTERM)

    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
