"""The embedded broker: Apache Kafka itself, one node that is controller and broker, run by a Java from its jars in the cache."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.errors import BrokerError, StreamsError
from streams.java import Java, find_java
from streams.kafka_jars import ensure_jars
from streams.machine import LOOPBACK, free_port, hold_folder, is_free

DEFAULT_PORT: Final = 9092
DEFAULT_HEAP: Final = "512m"
MAX_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes of the largest record batch: what ``schemas.topics`` asks of its widest topics."""

_TOPICS: Final = "topics"
_SETTINGS_FILE: Final = "server.properties"
_LOGGING_FILE: Final = "log4j2.properties"

_SETTINGS: Final = f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{{controller}}
listeners=BROKER://{LOOPBACK}:{{port}},CONTROLLER://{LOOPBACK}:{{controller}}
advertised.listeners=BROKER://{LOOPBACK}:{{port}}
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={_TOPICS}

# one node: every internal topic has one replica
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# a topic that nobody declared is a spelling mistake
auto.create.topics.enable=false
num.partitions=1
message.max.bytes={MAX_MESSAGE}
replica.fetch.max.bytes={MAX_MESSAGE}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# after a kill -9 the new process is let in only when the old one's session is over (9 s by default)
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# sized for one machine that also runs everything else; the default cleaner buffer alone is a quarter of our heap
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.io.buffer.size=1048576
log.cleaner.backoff.ms=2000
metadata.max.idle.interval.ms=5000
"""

_LOGGING: Final = """\
status=error
name=broker
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=broker.log
appender.file.filePattern=broker.%i.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{ISO8601} %p %c{1} %m%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
appender.console.type=Console
appender.console.name=console
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.file.ref=file
rootLogger.appenderRef.console.ref=console
rootLogger.appenderRef.console.level=ERROR
"""


def run(folder: Path, port: int = DEFAULT_PORT, heap: str = DEFAULT_HEAP) -> NoReturn:
    """Become the broker: this process turns into Java, so that its id is the broker's.

    ``folder`` keeps topics and offsets over restarts and also over a kill; ``port`` is on loopback; ``heap`` is in Java's notation.
    Raises :class:`streams.errors.StreamsError` when the folder is in use, no Java or no jars are to be had, or the format fails.
    """
    lock = hold_folder(folder, "a Kafka broker")
    if not is_free(port):
        raise BrokerError(
            f"expected port {port} on {LOOPBACK} to be free, another process listens there; name another port"
        )
    java = find_java()
    command = _java_command(java, ensure_jars(), heap)
    # Java is given relative paths only: its settings files split at commas and spoil names that are not Latin
    os.chdir(folder)
    _write_settings(port)
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    _format_once(command, environment)
    # Java inherits the lock and gives it back only by ending
    os.set_inheritable(lock, True)
    os.execve(java.program, [*command, "kafka.Kafka", _SETTINGS_FILE], environment)  # noqa: S606  no shell wanted


def answers(address: str, timeout: float = 2.0) -> bool:
    """Whether a Kafka answers a metadata request at ``address`` (host:port) within ``timeout`` seconds."""
    # while it starts the port is refused: ask again soon instead of ever later, and do not fill standard error with it
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 200})
    try:
        return bool(admin.list_topics(timeout=timeout).brokers)
    except KafkaException:
        return False


def await_broker(address: str, *, within: float, alive: Callable[[], bool] = lambda: True) -> None:
    """Return as soon as the Kafka at ``address`` answers.

    Raises :class:`BrokerError` after ``within`` seconds, or at once when ``alive`` says that its process has ended.
    """
    deadline = time.monotonic() + within
    while not answers(address):
        if not alive():
            raise BrokerError(f"expected Kafka to answer at {address}, but its process ended; its log says why")
        if time.monotonic() > deadline:
            raise BrokerError(
                f"expected Kafka to answer at {address} within {within:.0f} s, it did not; its log says why"
            )
        time.sleep(0.05)


def _write_settings(port: int) -> None:
    Path(_LOGGING_FILE).write_text(_LOGGING)
    Path(_SETTINGS_FILE).write_text(_SETTINGS.format(port=port, controller=free_port()))


def _java_command(java: Java, jars: Sequence[Path], heap: str) -> list[str]:
    # serial collector and first compiler only: measured to start faster and to leave the second core to the worker
    command = [
        str(java.program),
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        "-Dlog4j2.disable.jmx=true",
        f"-Dlog4j2.configurationFile={_LOGGING_FILE}",
        "-cp",
        os.pathsep.join(map(str, jars)),
    ]
    if java.major >= 24:
        # compression reaches native code; without leave newer Javas warn on every start
        command[1:1] = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
    return command


def _format_once(command: list[str], environment: dict[str, str]) -> None:
    if Path(_TOPICS, "meta.properties").exists():
        return
    # the id is kept before it is used: a format that was cut short is finished under the same one
    kept = Path("cluster-id")
    if not kept.exists():
        kept.write_text(urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode())
    # in one word: one id in 64 begins with a hyphen and would be taken for an option
    task = [
        "kafka.tools.StorageTool",
        "format",
        "--ignore-formatted",
        f"--cluster-id={kept.read_text()}",
        "-c",
        _SETTINGS_FILE,
    ]
    done = subprocess.run([*command, *task], capture_output=True, text=True, timeout=120, env=environment, check=False)  # noqa: S603  our own Java
    if done.returncode != 0:
        raise BrokerError(
            f"expected Kafka to format {Path.cwd()}, got: {(done.stderr or done.stdout).strip()[-500:]}; "
            "empty that folder or name another one"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m streams.broker``: run the broker until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m streams.broker", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder that keeps topics and offsets")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on loopback (default %(default)s)")
    parser.add_argument("--heap", default=DEFAULT_HEAP, help="largest Java heap (default %(default)s)")
    options = parser.parse_args(arguments)
    try:
        run(options.data_dir, options.port, options.heap)
    except StreamsError as error:
        sys.exit(f"broker: {error}")


if __name__ == "__main__":
    main()
