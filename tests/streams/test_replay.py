from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from structlog.testing import capture_logs

from detectors.errors import UnreadableInputError
from streams import replay
from streams.errors import ReplayError
from streams.machine import LOOPBACK, free_port
from streams.replay import LONGEST_JUMP, Pace, key_of, publish, replay_file
from streams.settings import StreamSettings
from tests.contracts.broker_clients import create_topic, read_all


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"psn_no":"P1","setl_id":"S"}', b"P1"),
        (b'{ "setl_id" : "S" , "psn_no" : "P1" }', b"P1"),
        ('{"psn_no":"参保人"}'.encode(), "参保人".encode()),
        (b'{"hilist_name":"a \\"psn_no\\":\\"P2\\" b","psn_no":"P1"}', b"P1"),
        (b'{"psn_no":"P\\u0031"}', b"P1"),
        (b'{"psn\\u005fno":"P1"}', b"P1"),
        (b'{"diagnoses":[{"psn_no":"P2"}],"psn_no":"P1"}', b"P1"),
        (b'{"psn_no":"P2","psn_no":"P1"}', b"P1"),
        (b'{"psn_no":"P1","setl_id":"cut o', b"P1"),
        (b'{"psn_no":""}', None),
        (b'{"psn_no":12}', None),
        (b'{"psn_no":null}', None),
        (b'{"setl_id":"S"}', None),
        (b'["psn_no"]', None),
        (b"not JSON", None),
        (b"\xff\xfe", None),
    ],
)
def test_the_key_is_the_person_if_there_is_one(line: bytes, key: bytes | None) -> None:
    assert key_of(line) == key


def at(wire: str) -> bytes:
    return f'{{"psn_no":"P1","setl_time":"{wire}"}}'.encode()


@pytest.mark.parametrize(
    ("factor", "times", "due"),
    [
        (1.0, ["2025-03-01 08:00:00", "2025-03-01 08:00:05", "2025-03-01 08:01:05"], [0, 5, 65]),
        (10.0, ["2025-03-01 08:00:00", "2025-03-01 08:00:05", "2025-03-01T08:01:05"], [0, 0.5, 6.5]),
        # a late arrival waits for nothing, and the next one is due as if it had not been there
        (1.0, ["2025-03-01 08:00:00", "2025-02-27 08:00:00", "2025-03-01 08:00:05"], [0, 0, 5]),
        # over midnight, month and year
        (60.0, ["2024-12-31 23:59:30", "2025-01-01 00:00:30"], [0, 1]),
        # a night is slept through an hour per event
        (
            1.0,
            ["2025-03-01 18:00:00", "2025-03-01 20:30:00", "2025-03-01 20:30:00", "2025-03-01 20:30:00"],
            [0, 3600, 7200, 9000],
        ),
        # one wrong year holds nothing up for longer than an hour
        (1.0, ["2025-03-01 08:00:00", "2099-03-01 08:00:00", "2025-03-01 08:00:05"], [0, LONGEST_JUMP, LONGEST_JUMP]),
        (1.0, ["2025-03-01 08:00:00", "2025-13-77 08:00:00", "nonsense", "2025-03-01 08:00:05"], [0, 0, 0, 5]),
    ],
)
def test_events_are_due_in_step_with_event_time(factor: float, times: list[str], due: list[float]) -> None:
    pace = Pace(factor, now=100.0)
    assert [pace.due(at(wire)) - 100.0 for wire in times] == pytest.approx(due)


def test_no_kafka_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_ANSWER_SECONDS", 0.2)
    with pytest.raises(ReplayError, match=rf"expected Kafka to answer at {LOOPBACK}:\d+, got: .*FUNDWATCH_KAFKA"):
        publish([], f"{LOOPBACK}:{free_port()}", "settlements")


@pytest.mark.embedded
class TestOnKafka:
    @pytest.fixture
    def settings(self, kafka: str, topic_prefix: Callable[[], str]) -> StreamSettings:
        settings = StreamSettings(kafka=kafka, topic_prefix=topic_prefix(), partitions=4)
        create_topic(kafka, settings.topics.name("settlements"), 4, {"max.message.bytes": str(2 * 1024 * 1024)})
        return settings

    def written(self, settings: StreamSettings) -> list[tuple[bytes | None, bytes | None]]:
        log = read_all(settings.kafka, settings.topics.name("settlements"))
        return [(message.key(), message.value()) for messages in log.values() for message in messages]

    def lines(self) -> list[bytes]:
        return [at("2025-03-01 08:00:00").replace(b"P1", b"P%d" % (n % 7)) for n in range(1_000)]

    @pytest.mark.parametrize("packed", [False, True])
    def test_every_line_of_a_file_is_published_once(
        self, settings: StreamSettings, tmp_path: Path, packed: bool
    ) -> None:
        lines = [*self.lines(), b"not JSON", b"", b" \t\r", b'{"setl_id":"no person"}', b"the last line without an end"]
        content = b"\n".join(lines)
        file = tmp_path / ("settlements.jsonl.zst" if packed else "settlements.jsonl")
        file.write_bytes(zstandard.compress(content) if packed else content)
        assert replay_file(file, settings) == 1_003
        expected = [(key_of(line), line) for line in lines if line.strip()]
        assert sorted(self.written(settings), key=repr) == sorted(expected, key=repr)

    def test_standard_input(self, settings: StreamSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(self.lines()))))
        assert replay_file(Path("-"), settings) == 1_000

    def test_a_line_that_is_too_long_is_published_cut_for_the_worker_to_refuse(
        self, settings: StreamSettings, tmp_path: Path
    ) -> None:
        file = tmp_path / "settlements.jsonl"
        file.write_bytes(b'{"psn_no":"P1","rest":"' + b"x" * 5_000_000 + b'"}\n' + self.lines()[0])
        assert replay_file(file, settings) == 2
        assert [len(value or b"") > 256 * 1024 for _, value in sorted(self.written(settings))].count(True) == 1

    def test_a_file_that_is_cut_off_is_told(self, settings: StreamSettings, tmp_path: Path) -> None:
        file = tmp_path / "settlements.jsonl.zst"
        packed = zstandard.compress(b"\n".join(str(n).encode() for n in range(500_000)))
        file.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(UnreadableInputError, match="its end is missing"):
            replay_file(file, settings)

    def test_it_can_be_stopped_and_counts_what_is_safe(self, settings: StreamSettings) -> None:
        topic = settings.topics.name("settlements")
        taken: list[bytes] = []

        def lines() -> Iterator[bytes]:
            for line in self.lines():
                taken.append(line)
                yield line

        published = publish(lines(), settings.kafka, topic, stopped=lambda: len(taken) > 300)
        assert published == 300 == len(self.written(settings))

    def test_it_can_be_stopped_while_it_waits(self, settings: StreamSettings) -> None:
        waiting = iter([False, False, False])
        lines = [at("2025-03-01 08:00:00"), at("2025-03-01 09:00:00")]
        topic = settings.topics.name("settlements")
        assert publish(lines, settings.kafka, topic, speed=1.0, stopped=lambda: next(waiting, True)) == 1

    def test_it_keeps_step_with_event_time(self, settings: StreamSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        waited: list[float] = []
        monkeypatch.setattr(replay, "_wait_until", lambda due, *_: waited.append(due))
        lines = [at(f"2025-03-01 08:00:{second:02}") for second in range(10)]
        assert publish(lines, settings.kafka, settings.topics.name("settlements"), speed=2.0) == 10
        assert [due - waited[0] for due in waited] == pytest.approx([second / 2 for second in range(10)])

    def test_without_a_terminal_it_logs_how_far_it_is(
        self, settings: StreamSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay, "TELL_SECONDS", 0.0)
        file = tmp_path / "settlements.jsonl"
        file.write_bytes(b"\n".join(self.lines()))
        with capture_logs() as logs:
            replay_file(file, settings)
        assert {entry["event"] for entry in logs} == {"replay_progress"}
        assert logs[-1]["published"] == 1_000

    def test_a_topic_that_is_not_there_is_told(self, kafka: str, topic_prefix: Callable[[], str]) -> None:
        with pytest.raises(ReplayError, match=r"expected the topic t\w+\.settlements at .* run fundwatch migrate"):
            publish([], kafka, f"{topic_prefix()}settlements")

    def test_a_settlement_kafka_refuses_for_good_is_told(self, kafka: str, topic_prefix: Callable[[], str]) -> None:
        topic = create_topic(kafka, f"{topic_prefix()}settlements", 1, {"max.message.bytes": "1000"})
        with pytest.raises(ReplayError, match="publish the file again from its beginning"):
            publish([b"x" * 5_000], kafka, topic)
