"""The sink under redelivery, kills between any two statements, and company."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lz4.frame
import orjson
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickhouse.client import connect
from clickhouse.errors import StoreUnavailable
from clickhouse.migrate import migrate
from clickhouse.panels import run_panel
from clickhouse.reconcile import last_alerts, panel_mismatches, stored_settlements, waiting_hours
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink, encode_alerts, encode_settlements
from schemas.alert import Alert
from schemas.settlement import Settlement
from tests.fixtures_clickhouse import alert, empty, settlement

pytestmark = pytest.mark.embedded


class Killed(BaseException):
    """Stands for the end of the process: nothing in the sink may catch it."""


@pytest.fixture
def another_client(store: Client, clickhouse_url: str) -> Iterator[Callable[[], Client]]:
    """Makes further clients on the same database, as other workers have."""
    where = StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=str(store.database))
    made: list[Client] = []

    def make() -> Client:
        made.append(connect(where))
        return made[-1]

    yield make
    for client in made:
        client.close()


def dying(client: Client, statement: int, *, done: bool) -> Sink:
    """A sink whose process is killed at its n-th statement, before the store has run it or (``done``) before the answer came."""
    left = [statement]

    def deadly(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0 and not done:
                raise Killed
            answer = method(*arguments, **named)
            if left[0] < 0:
                raise Killed
            return answer

        return call

    for name in ("raw_insert", "command", "query", "insert"):
        setattr(client, name, deadly(getattr(client, name)))
    return Sink(client)


def stream() -> list[tuple[Settlement, list[Alert]]]:
    """Ninety deliveries over ten hours: repeats, late ones, reversals; each with the alert revision it leads to."""
    deliveries: list[tuple[Settlement, list[Alert]]] = []
    for n in range(80):
        late = 300 if n % 13 == 5 else 0
        minute = max(0, n * 7 - late)
        at = f"2025-03-10 {8 + minute // 60:02d}:{minute % 60:02d}:00"
        if n % 11 == 10:
            one = settlement(
                n,
                event_type="REVERSE",
                orig_setl_id=f"S{n - 4:06d}",
                setl_time=at,
                fund_pay_sumamt="-9.10",
                inf_time=None,
            )
        else:
            one = settlement(n, setl_time=at, fund_pay_sumamt=f"{n}.10", inf_time=None, fixmedins_code=f"P{n % 3}")
        found = [alert(n % 5, revision=1 + n // 5, event_ids=[f"E{n:06d}"], withdrawn=n == 77)] if n % 2 else []
        deliveries.append((one, found))
        if n % 9 == 0:
            deliveries.append((one, []))
    return deliveries


DELIVERIES = stream()
UNDISTURBED = {event.event_id: event for event, _ in DELIVERIES}
LAST = {found.alert_id: found for _, alerts in DELIVERIES for found in alerts}

Kill = st.one_of(st.none(), st.tuples(st.integers(0, 24), st.booleans()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.integers(1, 60), Kill, st.booleans()), min_size=2, max_size=8))
def test_redelivery_and_kills_change_no_number(
    store: Client, another_client: Callable[[], Client], plan: list[tuple[int, tuple[int, bool] | None, bool]]
) -> None:
    empty(store)
    done = 0
    for size, kill, refresh in [*plan, (len(DELIVERIES), None, False)]:
        batch = DELIVERIES[done : done + size]
        sink = dying(another_client(), kill[0], done=kill[1]) if kill else Sink(store)
        try:
            sink.store([event for event, _ in batch], [found for _, alerts in batch for found in alerts])
            done += len(batch)  # only now would the worker commit
            if refresh:
                sink.refresh()
        except Killed:
            continue
    Sink(store).refresh()
    assert stored_settlements(store) == len(UNDISTURBED)
    assert waiting_hours(store) == 0
    assert panel_mismatches(store) == []
    assert {found.alert_id: found for found in last_alerts(store)} == {
        key: found for key, found in LAST.items() if not found.withdrawn
    }
    [totals] = run_panel(store, "feed")["totals"]
    assert totals["settlements"] == sum(event.kind == "SETTLE" for event in UNDISTURBED.values())
    assert totals["fund"] == sum(
        event.fund_paid if event.kind == "SETTLE" else -abs(event.fund_paid) for event in UNDISTURBED.values()
    )


def test_workers_at_once_leave_right_panels(store: Client, another_client: Callable[[], Client]) -> None:
    events = [event for event, _ in DELIVERIES]

    def work(worker: int) -> None:
        sink = Sink(another_client())
        for start in range(worker * 5, len(events), 10):
            sink.store(events[start : start + 25])
            sink.refresh()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    Sink(store).store(events)
    Sink(store).refresh()
    assert stored_settlements(store) == len(UNDISTURBED)
    assert panel_mismatches(store) == []


def test_an_older_computation_arriving_late_does_not_win(store: Client) -> None:
    """Two workers refresh the same hour; the one that saw less answers last."""
    sink = Sink(store)
    sink.store([settlement(1), settlement(2)])
    sink.refresh()
    store.command(
        "INSERT INTO panel_hourly (hour, mdtrtarea_admvs, fixmedins_code, med_type, events, settlements, reversals, fee, fund) "
        "SELECT hour, mdtrtarea_admvs, fixmedins_code, med_type, 1, 1, 0, 100.10, 70.05 FROM panel_hours"
    )
    assert panel_mismatches(store) == []


def test_refresh_without_news_does_nothing(store: Client) -> None:
    sink = Sink(store)
    sink.store([settlement(1)])
    assert sink.refresh() == 1
    assert sink.refresh() == 0


def test_nothing_to_store_sends_nothing(another_client: Callable[[], Client]) -> None:
    dying(another_client(), 0, done=False).store()


def test_a_store_that_goes_away_is_unavailable_and_then_takes_the_same_rows(
    embedded_server: Callable[..., Any],
) -> None:
    server = embedded_server()
    client = connect(StoreSettings(clickhouse_url=server.url))
    migrate(client)
    sink = Sink(client)
    sink.store([settlement(1)])
    server.kill()
    with pytest.raises(StoreUnavailable):
        sink.store([settlement(1), settlement(2)])
    with pytest.raises(StoreUnavailable):
        sink.refresh()
    server.start()
    again = connect(StoreSettings(clickhouse_url=server.url))
    Sink(again).store([settlement(1), settlement(2)])
    assert Sink(again).refresh() == 1
    assert stored_settlements(again) == 2
    assert panel_mismatches(again) == []


def test_rows_travel_compressed_to_another_machine(store: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink(store)
    monkeypatch.setattr(sink, "_compress", True)
    sent: list[bytes] = []
    insert = store.raw_insert

    def listen(table: str, *, insert_block: bytes, compression: str | None = None) -> None:
        sent.append(insert_block)
        insert(table, insert_block=insert_block, compression=compression)

    monkeypatch.setattr(store, "raw_insert", listen)
    sink.store([settlement(n) for n in range(50)])
    assert stored_settlements(store) == 50
    assert len(sent[0]) < len(lz4.frame.decompress(sent[0])) / 3


def test_rows_are_one_json_object_a_line() -> None:
    assert [
        orjson.loads(line)["event_id"] for line in encode_settlements([settlement(1), settlement(2)]).splitlines()
    ] == [
        "E000001",
        "E000002",
    ]
    [row] = map(orjson.loads, encode_alerts([alert(1)]).splitlines())
    assert (row["window_from"], row["amount"]) == ("2025-03-03 09:30:01", "70.05")
    assert orjson.loads(row["features"])["visits"] == 9
