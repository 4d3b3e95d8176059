"""The demo's hospital: its HIS asks the gateway before some of the city's bills are settled, and says what it did about the answer."""

from __future__ import annotations

import queue
import threading
from typing import Any, Final

import httpx
import orjson

from streams.simulator.audits import audit_request, feedback_request

EVERY: Final = 4
"""Of so many settlements one was asked about."""
_WAITING: Final = 64
_PATIENCE: Final = 5.0


class Hospital:
    """Asks about every :data:`EVERY`-th settlement it hears of, in a thread of its own; a gateway that is away is not waited for.

    Where something is found, every second time the doctor changes the order (3103 with ``dspo_way`` 2), else goes on and says why.
    """

    def __init__(self, gateway: str, token: str, institution_id: str) -> None:
        self._url, self._token, self._institution = gateway, token, institution_id
        self._heard = self._asked = self._found = 0
        self._lines: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="hospital", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def hear(self, line: bytes) -> None:
        """A settlement is about to be made; never waits."""
        self._heard += 1
        if self._heard % EVERY == 0 and not self._lines.full():
            self._lines.put_nowait(line)

    def stop(self) -> None:
        """Ask no more; returns when the last answer is there."""
        if self._thread.is_alive():
            self._lines.put(None)
            self._thread.join(2 * _PATIENCE)

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=_PATIENCE) as client:
            while (line := self._lines.get()) is not None:
                event = orjson.loads(line)
                if event["event_type"] == "SETTLE" and event.get("lines"):
                    self._ask(client, event)

    def _ask(self, client: httpx.Client, event: dict[str, Any]) -> None:
        self._asked += 1
        request = audit_request(event, self._asked % 10_000, institution_id=self._institution)
        try:
            reply = client.post("/api/3102", json=request).json()
            results = (reply.get("output") or {}).get("result") or []
            if results:
                self._found += 1
                answer = feedback_request(
                    request, [one["jr_id"] for one in results], self._asked % 10_000, change=self._found % 2 == 0
                )
                client.post("/api/3103", json=answer)
        except (httpx.HTTPError, ValueError):
            return  # the demo's keeper looks after the gateway
