"""Compile the hot modules: ``python -m compiled``; what is there and up to date is left alone."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from compiled import FOLDER, ROOT, modules, target

OPTIONS = ["-O2"]
DIRECTIVES = {"language_level": 3, "annotation_typing": False}
"""Annotations stay annotations: arithmetic and errors are Python's own."""


def main() -> int:
    """Compile what is not there yet, and remove what belongs to sources that are gone; 0 also where there is no compiler."""
    wanted = {name: target(name, source) for name, source in modules().items()}
    for old in {*FOLDER.glob("*.so"), *FOLDER.glob("*.part")} - set(wanted.values()):
        old.unlink()
    missing = [name for name, path in wanted.items() if not path.exists()]
    if not missing:
        return 0
    try:
        print(f"compiling {len(missing)} modules (a minute or two)", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as work:
            compile_into(Path(work), missing, wanted)
    except Exception as error:  # whatever is missing on this machine: the sources run as well
        print(
            "everything runs from its sources, more slowly: expected Cython, a C compiler and Python's headers to"
            f" compile it, got {type(error).__name__}: {error}",
            file=sys.stderr,
        )
    return 0


def compile_into(work: Path, names: list[str], wanted: dict[str, Path]) -> None:
    """Compile the named modules in a working folder and move each to its place."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    sources = modules()
    extensions = []
    for name in names:
        copy = work / sources[name].relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sources[name], copy)
        extensions.append(Extension(name, [str(copy)], extra_compile_args=OPTIONS))
    jobs = os.cpu_count() or 1
    built = cythonize(extensions, nthreads=jobs, compiler_directives=DIRECTIVES, build_dir=str(work / "c"), quiet=True)  # type: ignore[no-untyped-call]
    distribution = Distribution({"name": "fundwatch", "ext_modules": built})
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp, command.parallel = str(work / "lib"), str(work / "temp"), jobs
    command.ensure_finalized()
    command.run()
    for name in names:
        # a process that starts meanwhile finds the whole file or none
        half = wanted[name].with_suffix(".part")
        shutil.copy(command.get_ext_fullpath(name), half)
        half.replace(wanted[name])


if __name__ == "__main__":
    sys.exit(main())
