"""The hot modules, compiled: which they are, and how their compiled form is found.

``make setup`` compiles the modules named by :func:`modules` with Cython, unchanged, into this folder, each under the digest of its source
(``python -m compiled``). From then on the compiled form is what is imported, as long as the source is the one it was made of: a module
that was edited since runs from its source until it is compiled again, so what you read is what runs. Without a C compiler, or with
``FUNDWATCH_PURE=1``, everything runs from source, with the same results (tests/compiled), more slowly.

Importing this package lets the compiled forms be found; ``schemas`` and ``detectors`` do so before anything else.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

PURE: Final = "FUNDWATCH_PURE"
FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parent
HOT: Final = (
    "schemas/fact.py",
    "schemas/instants.py",
    "schemas/partitions.py",
    "schemas/settlement.py",
    "detectors/audit.py",
    "detectors/backtest.py",
    "detectors/episodes.py",
    "detectors/judge.py",
    "detectors/models/[!_]*.py",
    "detectors/packing.py",
    "detectors/person.py",
    "detectors/place.py",
    "detectors/rule.py",
    "detectors/rules/[!_]*.py",
    "detectors/usual.py",
    "detectors/windows.py",
)
"""What runs at every settlement, and gains by being compiled."""
RECIPE: Final = b"1"
"""Raised when the same source must be compiled anew: other options, another Cython."""


def modules() -> dict[str, Path]:
    """The modules that are compiled, by full name, with their sources."""
    sources = [source for pattern in HOT for source in sorted(ROOT.glob(pattern))]
    return {".".join(source.relative_to(ROOT).with_suffix("").parts): source for source in sources}


def target(module: str, source: Path) -> Path:
    """Where the compiled form of this very source belongs."""
    digest = hashlib.sha256(RECIPE + source.read_bytes()).hexdigest()[:16]
    return FOLDER / f"{module}-{digest}{EXTENSION_SUFFIXES[0]}"


class Finder:
    """Gives the compiled form of a module where there is one of its present source; the import system looks on where there is none."""

    def __init__(self) -> None:
        self._modules = modules()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target_module: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks for every module."""
        source = self._modules.get(name)
        if source is None or not source.exists():
            return None
        compiled = target(name, source)
        if not compiled.exists():
            return None
        return spec_from_file_location(name, compiled, loader=ExtensionFileLoader(name, str(compiled)))


def running() -> list[str]:
    """The modules of this process that run compiled."""
    return [name for name in modules() if str(getattr(sys.modules.get(name), "__file__", "")).startswith(str(FOLDER))]


if os.environ.get(PURE) != "1":
    sys.meta_path.insert(0, Finder())
