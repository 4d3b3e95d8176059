"""What supervisors read, kept word for word: one file per rule in ``golden/``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.detectors.harness import Drive, judge

FOLDER = Path(__file__).with_name("golden")


def check(name: str, scenes: Mapping[str, list[dict[str, Any]]]) -> None:
    """Compare the findings of the rule ``name`` in every scene with its golden file.

    Write anew with FUNDWATCH_WRITE_GOLDEN=1 and read the difference.
    """
    lines = []
    for scene, events in scenes.items():
        for alert in Drive(judge(), batch=1000).run(events).of(name):
            features = " ".join(f"{key}={value}" for key, value in sorted(alert.features.items()))
            lines.append(f"{scene} | {alert.light} {alert.score} | {alert.explanation} | {features}")
    text = "\n".join(lines) + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("FUNDWATCH_WRITE_GOLDEN"):
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")
