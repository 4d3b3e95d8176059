"""Addresses that would reach inside are refused, in whatever form they come and whoever changes his mind."""

from __future__ import annotations

import pytest

from streams.notifier.card import Card
from streams.notifier.formats import Message
from streams.notifier.guard import Guard, RefusedAddressError, Resolver
from streams.notifier.post import Poster
from streams.notifier.receivers import Receiver
from tests.streams.notifier.receiving import Receiving

MESSAGE = Message("a1", 1, b'{"alert_id":"a1"}', Card("t", "red", (("l", "v"),)))
INSIDE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255",
    "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "2001:db8::1",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_reach_inside_are_refused(address: str) -> None:
    with pytest.raises(RefusedAddressError, match="FUNDWATCH_WEBHOOK_ALLOW"):
        Guard().check("hooks.example", address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_taken(address: str) -> None:
    Guard().check("hooks.example", address)


def test_a_named_host_may_be_private_but_not_link_local() -> None:
    guard = Guard(" Hooks.Inside. ,10.1.2.3, [::1]")
    guard.check("hooks.inside", "10.9.9.9")
    guard.check("hooks.inside", "127.0.0.1")
    guard.check("whatever", "10.1.2.3")
    guard.check("whatever", "0:0::1")
    for host, address in (("hooks.inside", "169.254.169.254"), ("hooks.inside", "::ffff:169.254.169.254"), ("hooks.inside", "0.0.0.0"),
                          ("other.inside", "10.9.9.9"), ("x.hooks.inside", "10.9.9.9")):  # fmt: skip
        with pytest.raises(RefusedAddressError):
            guard.check(host, address)


def receiver(url: str) -> Receiver:
    return Receiver.model_validate({"name": "r", "url": url, "format": "wecom", "timeout": 5.0})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]"])
async def test_nothing_is_even_connected_to_inside(host: str) -> None:
    async with Receiving() as here:
        poster = Poster(receiver(f"http://{host}:{here.port}/"), Resolver(Guard()))
        answer = await poster.send(MESSAGE)
        await poster.close()
        assert "FUNDWATCH_WEBHOOK_ALLOW" in answer.error
        assert here.connections == 0


async def test_a_name_that_changes_its_answer_after_the_check_leads_nowhere_else() -> None:
    """The one look-up that is checked is the one that is connected to; the next one is checked again."""
    asked = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    async with Receiving() as here:
        # 127.0.0.2 is named and stands for the outside: nobody listens there
        poster = Poster(receiver(f"http://rebinding.example:{here.port}/"), Resolver(Guard("127.0.0.2"), changing))
        first = await poster.send(MESSAGE)
        assert "FUNDWATCH_WEBHOOK_ALLOW" not in first.error
        assert asked == ["rebinding.example"]
        again = Poster(receiver(f"http://rebinding.example:{here.port}/"), Resolver(Guard("127.0.0.2"), changing))
        assert "FUNDWATCH_WEBHOOK_ALLOW" in (await again.send(MESSAGE)).error
        assert here.connections == 0
        await poster.close()
        await again.close()


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    resolver = Resolver(Guard(), lambda host, port: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(RefusedAddressError):
        await resolver.addresses("mixed.example", 443)
    resolver.close()


async def test_the_request_names_the_host_though_it_goes_to_the_number() -> None:
    async with Receiving('robot:{"errcode":0}') as here:
        poster = Poster(
            receiver(f"http://hooks.inside:{here.port}/a?key=1"),
            Resolver(Guard("hooks.inside"), lambda *_: ["127.0.0.1"]),
        )
        assert (await poster.send(MESSAGE)).error == ""
        await poster.close()
        assert here.got[0].headers["host"] == f"hooks.inside:{here.port}"
        assert here.got[0].target == "/a?key=1"
