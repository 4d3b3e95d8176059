"""Which addresses a receiver may have: public ones, and private ones of hosts the operator named."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from streams.errors import StreamsError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]
_NAT64: Final = IPv6Network("64:ff9b::/96")
_KEPT_SECONDS: Final = 30.0


class RefusedAddressError(StreamsError):
    """A receiver's host is, or resolves to, an address that reaches inside."""


class Guard:
    """``allowed``: names or addresses of hosts that may be private."""

    def __init__(self, allowed: str = "") -> None:
        self._allowed = frozenset(_plain(one) for one in allowed.split(",") if one.strip())

    def check(self, host: str, address: str) -> None:
        """Raise RefusedAddressError unless a receiver called ``host`` may be reached at ``address``.

        A host that is named may have private addresses; a link-local one (metadata services) must itself be named.
        """
        found = ip_address(address.partition("%")[0])
        if str(found) in self._allowed or _is_public(found):
            return
        if _plain(host) in self._allowed and _is_inside(found):
            return
        raise RefusedAddressError(
            f"expected a public address, {host} is at {found}; if that is meant, name the host in FUNDWATCH_WEBHOOK_ALLOW"
        )


class Resolver:
    """Finds and checks the addresses of one receiver's host, on a thread of its own: a slow name server delays nobody else."""

    def __init__(self, guard: Guard, resolve: Resolve | None = None) -> None:
        self._guard = guard
        self._resolve = resolve or _resolve
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="resolve")
        self._known: tuple[float, list[str]] = (float("-inf"), [])

    async def addresses(self, host: str, port: int) -> list[str]:
        """Addresses that were checked and are the ones to connect to: nobody asks again between check and connection.

        Raises RefusedAddressError if any of them is refused, OSError if there is none.
        """
        loop = asyncio.get_running_loop()
        at, known = self._known
        if loop.time() - at > _KEPT_SECONDS:
            known = await loop.run_in_executor(self._thread, self._resolve, host, port)
            if not known:
                raise OSError(f"expected an address of {host}, got none")
            for address in known:
                self._guard.check(host, address)
            self._known = (loop.time(), known)
        return known

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _plain(host: str) -> str:
    """A host as it is compared: addresses in their one canonical form."""
    name = host.strip().strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64:
            return _is_public(IPv4Address(address.packed[-4:]))
        carried = [address.sixtofour, *(address.teredo or ())]
        if not all(_is_public(one) for one in carried if one is not None):
            return False
    # is_global alone takes multicast for reachable
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    )


def _is_inside(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return _is_inside(address.ipv4_mapped)
    never = address.is_link_local or address.is_multicast or address.is_unspecified
    return (address.is_private or address.is_loopback) and not never
