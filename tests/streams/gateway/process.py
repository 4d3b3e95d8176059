"""The gateway as its operator starts it: a process on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx


class Process:
    """``fundwatch gateway`` on a free port."""

    def __init__(self, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
        environment |= {f"FUNDWATCH_{name.upper()}": value for name, value in settings.items()}
        environment |= {"FUNDWATCH_GATEWAY_PORT": "0", "FUNDWATCH_CLICKHOUSE_URL": "http://127.0.0.1:9"}
        self.running = subprocess.Popen(
            [sys.executable, "-m", "fundwatch", "gateway"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self.url = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.running.stdout is not None
        with self.running.stdout as output:
            for line in output:
                self.lines.append(line)
                if found := re.search(r'"port": (\d+)', line):
                    self.url = f"http://127.0.0.1:{found[1]}"

    def until_ready(self, path: str = "/readyz") -> None:
        deadline = time.monotonic() + 60
        while not self._answers(path):
            assert self.running.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.05)

    def _answers(self, path: str) -> bool:
        try:
            return bool(self.url) and httpx.get(f"{self.url}{path}", verify=False).is_success
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        self.running.send_signal(signal.SIGTERM)
        code = self.running.wait(30)
        self._reading.join(10)
        return code
