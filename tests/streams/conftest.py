"""Workers for tests that kill, move and question them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.streams.installation import Installation


@pytest.fixture
def install(kafka: str, topic_prefix: Callable[[], str], tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    made: list[Installation] = []

    def make(**settings: str) -> Installation:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Installation(kafka, topic_prefix(), folder, **settings))
        return made[-1]

    yield make
    for installation in made:
        installation.kill_all()
