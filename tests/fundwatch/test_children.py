from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from fundwatch import leash
from fundwatch.children import Child, Part, Tie
from fundwatch.errors import StartError

_PATIENT = "import time\ntime.sleep(600)\n"


def part(tmp_path: Path, script: str, name: str = "child", **more: object) -> Part:
    """A Python child that is ready when it has made the file ``<name>.ready``."""
    ready = tmp_path / f"{name}.ready"
    code = f"import pathlib\nready = pathlib.Path({str(ready)!r})\n" + textwrap.dedent(script)
    settings: dict[str, object] = {"ready": ready.exists, "start_within": 20.0} | more
    return Part(name, [sys.executable, "-c", code], tmp_path / "logs" / f"{name}.log", **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    of: Part, changed: Callable[[], None] = lambda: None
) -> AsyncIterator[tuple[Child, asyncio.Task[None]]]:
    """A child that was started and is kept running until the end of the block."""
    child = Child(of)
    await child.launch()
    keeper = asyncio.create_task(child.keep(changed))
    try:
        yield child, keeper
    finally:
        await child.stop()
        with suppress(StartError):
            await keeper
        assert child.pid is None


async def until(holds: Callable[[], object], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_start_returns_when_the_child_answers_and_stop_asks_it_to_end(tmp_path: Path) -> None:
    script = """
        import signal, sys, time
        def asked(*_):
            print("asked to end", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, asked)
        ready.touch()
        time.sleep(600)
    """
    async with running(part(tmp_path, script)) as (child, _):
        assert child.ready
        assert child.pid
    assert (tmp_path / "logs" / "child.log").read_text() == "asked to end\n"


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    script = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nready.touch()\n{_PATIENT}"
    async with running(part(tmp_path, script, stop_within=0.1)) as (child, _):
        pid = child.pid
        assert pid
    assert gone(pid)


async def test_the_environment_is_handed_on_and_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_TEST_HERE", "1")
    script = f"""
import os
print(os.environ["FUNDWATCH_TEST_HERE"], os.environ["FUNDWATCH_TEST_ADDED"], flush=True)
ready.touch()
{_PATIENT}"""
    async with running(part(tmp_path, script, env={"FUNDWATCH_TEST_ADDED": "2"})):
        pass
    assert (tmp_path / "logs" / "child.log").read_text() == "1 2\n"


async def test_a_child_that_ends_instead_of_answering_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child(part(tmp_path, "import sys\nprint('the port is taken', flush=True)\nsys.exit(3)"))
    with pytest.raises(StartError, match=r"expected child to answer, but it ended with 3: the port is taken"):
        await child.launch()
    assert child.pid is None


async def test_a_child_that_does_not_answer_in_time_is_told_and_ended(tmp_path: Path) -> None:
    pids: list[int | None] = []

    def ready() -> bool:
        pids.append(child.pid)
        return False

    child = Child(part(tmp_path, _PATIENT, ready=ready, start_within=0.2))
    with pytest.raises(StartError, match=r"expected child to answer within 0 s, it did not; its log is .*child\.log"):
        await child.launch()
    assert pids[0]
    assert gone(pids[0])


async def test_a_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    missing = Part("ghost", ["no-such-program-here"], tmp_path / "ghost.log", ready=lambda: False)
    with pytest.raises(StartError, match=r"expected to run no-such-program-here, got: No such file or directory"):
        await Child(missing).launch()


async def test_a_killed_child_is_started_again_and_counted(tmp_path: Path) -> None:
    seen: list[int | None] = []
    async with running(part(tmp_path, f"ready.touch()\n{_PATIENT}"), lambda: seen.append(child.pid)) as (child, _):
        first = child.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(seen) == 2)
        assert child.ready
        assert child.restarts == 1
        assert seen == [None, child.pid]
        assert child.pid != first


async def test_a_child_that_is_stopped_before_it_was_started_again_stays_stopped(tmp_path: Path) -> None:
    async with running(part(tmp_path, f"ready.touch()\n{_PATIENT}")) as (child, keeper):
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.pid is None)
        await child.stop()
        await asyncio.wait_for(keeper, 20)
        assert child.restarts == 0


async def test_what_a_dead_child_had_started_is_gone_before_it_starts_again(tmp_path: Path) -> None:
    script = f"""
import subprocess, sys
started = subprocess.Popen([sys.executable, "-c", {_PATIENT!r}])
print(started.pid, flush=True)
ready.touch()
{_PATIENT}"""
    async with running(part(tmp_path, script)) as (child, _):
        left_behind = int((tmp_path / "logs" / "child.log").read_text())
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: gone(left_behind))


async def test_a_child_that_cannot_be_kept_running_is_given_up(tmp_path: Path) -> None:
    script = f"""
if ready.exists():
    raise SystemExit("my folder is broken")
ready.touch()
{_PATIENT}"""
    answers = iter([False, True])
    first_only = part(tmp_path, script, attempts=2, ready=lambda: next(answers, False))
    async with running(first_only) as (child, keeper):
        await until((tmp_path / "child.ready").exists)
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(StartError, match="ended with 1: my folder is broken"):
            await asyncio.wait_for(asyncio.shield(keeper), 20)
        assert child.restarts == 2


_PARENT = """
import asyncio, sys
from pathlib import Path
from fundwatch.children import Child, Part

async def main(folder, depth):
    if depth == 0:
        print("leaf", flush=True)
        Path(folder, "0").touch()
        await asyncio.sleep(600)
    argv = [sys.executable, __file__, folder, str(depth - 1)]
    child = Child(Part("next", argv, Path(folder, f"log{depth}"), ready=Path(folder, str(depth - 1)).exists))
    await child.launch()
    Path(folder, f"pid{depth}").write_text(str(child.pid))
    Path(folder, str(depth)).touch()
    await asyncio.sleep(600)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_children_and_their_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    with subprocess.Popen([sys.executable, script, tmp_path, "2"], cwd=Path(__file__).parents[2]) as parent:
        try:
            await until((tmp_path / "2").exists)
            pids = [int((tmp_path / f"pid{depth}").read_text()) for depth in (1, 2)]
            assert not any(gone(pid) for pid in pids)
        finally:
            parent.kill()
    await until(lambda: all(gone(pid) for pid in pids))


_PARENT_WITHOUT_KERNEL = """
import subprocess, sys, time
from fundwatch.children import Tie

tie = Tie([sys.executable, "-c", "import time; time.sleep(600)"], by_kernel=False)
child = subprocess.Popen(tie.argv, pass_fds=tie.pass_fds, process_group=0)
tie.started()
print(child.pid, flush=True)
time.sleep(600)
"""


async def test_where_the_kernel_does_not_tie_a_watcher_does(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _PARENT_WITHOUT_KERNEL]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        await until(lambda: "sleep" in " ".join(psutil.Process(pid).cmdline()[:3]))
        members = [process.pid for process in psutil.process_iter() if _group(process.pid) == pid]
        assert len(members) == 2  # the program and its watcher
        parent.kill()
    await until(lambda: all(gone(member) for member in members))


async def test_the_watcher_goes_with_the_program() -> None:
    tie = Tie([sys.executable, "-c", "print('done')"], by_kernel=False)
    process = subprocess.Popen(tie.argv, pass_fds=tie.pass_fds, process_group=0, stdout=subprocess.DEVNULL)
    tie.started()
    assert process.wait(20) == 0
    tie.ended()
    await until(lambda: not any(_group(running.pid) == process.pid for running in psutil.process_iter()))


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def test_a_parent_that_ended_before_the_tie_is_noticed() -> None:
    nobody = str(os.getpid() + 1)
    argv = [sys.executable, "-I", "-S", leash.__file__, nobody, "-1", sys.executable, "-c", _PATIENT]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, "the parent process has ended already\n")
