"""Keeps Apache Kafka's jars in the cache: fetched once from Maven Central, every one checked against the list in kafka-jars.lock."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.errors import KafkaNotFoundError
from streams.machine import cache_folder

KAFKA_VERSION: Final = "4.3.1"
LOCK_FILE: Final = Path(__file__).with_name("kafka-jars.lock")

_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Jar:
    """One line of the list: Maven coordinates, bytes, SHA-256."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return f"{self.artifact}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    """The jars Kafka runs with, in the order of the list."""
    jars = []
    for line in LOCK_FILE.read_text().splitlines():
        coordinates, size, sha256 = line.split()
        group, artifact, version = coordinates.split(":")
        jars.append(Jar(group, artifact, version, int(size), sha256))
    return jars


def kafka_home() -> Path:
    """The folder of this Kafka in the cache."""
    return cache_folder() / f"kafka-{KAFKA_VERSION}"


def ensure_jars() -> list[Path]:
    """The class path of Kafka; fetches what is missing or broken first.

    Several processes may call this at once: one fetches, the others wait. Raises :class:`KafkaNotFoundError` when Maven Central cannot be
    had or gives other bytes than the list says.
    """
    folder = kafka_home() / "jars"
    jars = locked_jars()
    try:
        if any(not _whole(jar, folder) for jar in jars):
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder.with_name("lock")):
                # another process may have fetched them while we waited
                if wanted := [jar for jar in jars if not _whole(jar, folder)]:
                    _fetch_all(wanted, folder)
    except OSError as error:
        raise KafkaNotFoundError(
            f"expected to keep Kafka's jars in {folder}, got: {error}; make room there or set XDG_CACHE_HOME to another folder"
        ) from error
    return [folder / jar.name for jar in jars]


def _whole(jar: Jar, folder: Path) -> bool:
    path = folder / jar.name
    try:
        return path.stat().st_size == jar.size and _sha256(path) == jar.sha256
    except FileNotFoundError:
        return False


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_all(jars: list[Jar], folder: Path) -> None:
    size = sum(jar.size for jar in jars) / 1_000_000
    print(f"fetching Kafka {KAFKA_VERSION}: {len(jars)} jars, {size:.0f} MB, once", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, ThreadPoolExecutor(_AT_ONCE) as pool:
        for jar, path in zip(jars, pool.map(lambda jar: _fetch(jar, Path(scratch)), jars), strict=True):
            shutil.move(path, folder / jar.name)


def _fetch(jar: Jar, scratch: Path) -> Path:
    where = f"{jar.group}:{jar.artifact}:{jar.version}"
    try:
        path = _download(jar, scratch)
    except Exception as error:  # whatever jgo and the network below it raise
        raise KafkaNotFoundError(
            f"expected {where} from Maven Central, got: {error}. Connect this machine once, or copy the folder {kafka_home()} "
            "from a machine that has it, or name a running Kafka in FUNDWATCH_KAFKA"
        ) from error
    sha256 = _sha256(path)
    if sha256 != jar.sha256:
        raise KafkaNotFoundError(
            f"expected {where} with SHA-256 {jar.sha256}, Maven Central (or a proxy on the way) gave {path.stat().st_size} bytes "
            f"with {sha256}; try again, and if it stays so do not trust that network"
        )
    return path


def _download(jar: Jar, scratch: Path) -> Path:
    # imported here: only the first start on a machine needs it
    from jgo.maven import MavenContext

    # an own repository folder: what another program left half-written in ~/.m2 must not get in
    maven = MavenContext(repo_cache=scratch, timeout=60)
    return Path(maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve() -> list[Jar]:
    """The list anew: what Maven resolves for :data:`KAFKA_VERSION` today, with Kafka's logging bound to its own log4j."""
    import jgo

    jars = jgo.resolve(f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}")
    [log4j] = [jar.version for jar in jars if jar.artifactId == "log4j-core"]
    # resolved apart: log4j's own list of versions would put an older Kafka client beside Kafka
    jars += jgo.resolve(f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}")
    found = {}
    for jar in sorted(jars, key=lambda jar: (jar.groupId, jar.artifactId)):
        path = Path(jar.resolve())
        found[jar.groupId, jar.artifactId] = Jar(
            jar.groupId, jar.artifactId, jar.version, path.stat().st_size, _sha256(path)
        )
    return list(found.values())


if __name__ == "__main__":
    # after a change of KAFKA_VERSION: python -m streams.kafka_jars > streams/kafka-jars.lock
    for each in resolve():
        print(f"{each.group}:{each.artifact}:{each.version}", each.size, each.sha256)
