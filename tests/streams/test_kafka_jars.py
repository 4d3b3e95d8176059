from __future__ import annotations

import hashlib
from pathlib import Path
from threading import Lock

import pytest

from streams import kafka_jars
from streams.errors import KafkaNotFoundError
from streams.kafka_jars import KAFKA_VERSION, Jar, ensure_jars, kafka_home, locked_jars


class Central:
    """Stands for Maven Central: gives the bytes a list was made of, notes what was asked for."""

    def __init__(self) -> None:
        self.contents = {name: name.encode() * 1_000 for name in ("one", "two", "three")}
        self.asked: list[str] = []
        self._lock = Lock()

    def jars(self) -> list[Jar]:
        return [
            Jar("org.example", name, "1.0", len(content), hashlib.sha256(content).hexdigest())
            for name, content in {name: name.encode() * 1_000 for name in self.contents}.items()
        ]

    def download(self, jar: Jar, scratch: Path) -> Path:
        with self._lock:
            self.asked.append(jar.artifact)
        path = scratch / f"{jar.artifact}.part"
        path.write_bytes(self.contents[jar.artifact])
        return path


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Central:
    central = Central()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kafka_jars, "locked_jars", central.jars)
    monkeypatch.setattr(kafka_jars, "_download", central.download)
    return central


def test_the_list_is_whole() -> None:
    jars = locked_jars()
    assert {("kafka_2.13", KAFKA_VERSION), ("kafka-clients", KAFKA_VERSION)} <= {
        (jar.artifact, jar.version) for jar in jars
    }
    assert len({jar.name for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)


def test_everything_is_fetched_once(central: Central) -> None:
    paths = ensure_jars()
    assert [path.read_bytes() for path in paths] == list(central.contents.values())
    assert ensure_jars() == paths
    assert sorted(central.asked) == ["one", "three", "two"]
    assert sorted(path.name for path in kafka_home().iterdir()) == ["jars", "lock"]  # nothing half-done stays


@pytest.mark.parametrize("damage", ["missing", "shorter", "changed"])
def test_only_what_is_broken_is_fetched_again(central: Central, damage: str) -> None:
    broken = ensure_jars()[1]
    central.asked.clear()
    match damage:
        case "missing":
            broken.unlink()
        case "shorter":
            broken.write_bytes(b"half")
        case _:
            broken.write_bytes(b"x" * broken.stat().st_size)
    assert ensure_jars()[1].read_bytes() == central.contents["two"]
    assert central.asked == ["two"]


def test_other_bytes_than_the_list_says_are_refused(central: Central) -> None:
    central.contents["three"] = b"something else"
    with pytest.raises(KafkaNotFoundError, match=r"expected org\.example:three:1\.0 with SHA-256 .* gave 14 bytes"):
        ensure_jars()
    assert not (kafka_home() / "jars" / "three-1.0.jar").exists()


def test_no_way_to_maven_central_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("the network is down")

    monkeypatch.setattr("jgo.util.http.get", unreachable)
    with pytest.raises(
        KafkaNotFoundError, match=r"from Maven Central, got: the network is down\. Connect this machine once, or copy"
    ):
        ensure_jars()


def test_a_cache_that_cannot_be_written_is_told(central: Central, tmp_path: Path) -> None:
    (tmp_path / "fundwatch").write_text("a file where the folder should be")
    with pytest.raises(
        KafkaNotFoundError, match=r"expected to keep Kafka's jars in .*set XDG_CACHE_HOME to another folder"
    ):
        ensure_jars()
