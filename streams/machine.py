"""What a process needs of the machine it runs on: a free loopback port, a data folder to itself, a cache folder."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from pathlib import Path
from typing import Final

from streams.errors import FolderInUseError, StreamsError

LOOPBACK: Final = "127.0.0.1"

# Below every system's range for outgoing connections (Linux begins at 32768), so that between our look and the server's bind no
# connection of this machine can be given the port.
_PORTS: Final = range(20_000, 32_000)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now; another one at every call, mostly."""
    for port in random.sample(_PORTS, 200):
        if is_free(port):
            return port
    raise StreamsError(f"expected a free port on {LOOPBACK} from {_PORTS[0]} to {_PORTS[-1]}, found none in 200 tries")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # servers set it too: a port whose last connections still linger is free to them
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def hold_folder(folder: Path, owner: str) -> int:
    """Make ``folder`` and keep it for this process, under ``owner``'s name, until the process ends however it ends.

    Returns the descriptor that holds the lock: keep it open; make it inheritable to hand the lock on through ``exec``.
    Raises :class:`FolderInUseError` when another process has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StreamsError(
            f"expected a data folder that can be written at {folder}, got: {error.strerror}; name another folder"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 200).decode(errors="replace").strip() or "another process"
        os.close(lock)
        raise FolderInUseError(
            f"expected the data folder {folder} to be free, but {holder} works in it; stop that one or name another folder"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{owner} (process {os.getpid()})\n".encode())
    return lock


def cache_folder() -> Path:
    """Where things are kept that can be had again: ``$XDG_CACHE_HOME/fundwatch``, else ``~/.cache/fundwatch``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "fundwatch"
