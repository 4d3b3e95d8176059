"""The receivers file: what it may say, and how it is told what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.notifier.guard import Guard
from streams.notifier.receivers import BadReceiversError, Receivers, read_receivers

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
GOOD = f"""
[[receiver]]
name = "centre"
url = "https://hooks.example/fundwatch"
secret = "{SECRET}"

[[receiver]]
name = "值班群"
url = "https://oapi.dingtalk.com/robot/send?access_token=abc"
format = "dingtalk"
secret = "SEC123"
lights = ["red", "yellow"]
families = ["agent_buying"]
areas = ["320602"]
quiet = ["22:00-07:00", "12:30-13:30"]
level = 2

[[receiver]]
name = "post"
url = "smtps://mail.example"
format = "mail"
to = ["oncall@fund.example"]
sender = "fundwatch@fund.example"
"""


def read(tmp_path: Path, text: str, allowed: str = "") -> object:
    path = tmp_path / "receivers.toml"
    path.write_text(text, encoding="utf-8")
    return read_receivers(path, Guard(allowed))


def test_a_file_with_all_kinds_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert isinstance(found, dict)
    assert list(found) == ["centre", "值班群", "post"]
    assert found["centre"].condenses is False
    assert found["centre"].rates == (0, 0)
    assert found["值班群"].rates == (18, 0)
    assert len(found["值班群"].spans) == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('name = "centre"', 'name = "a|b"'), "field name"),
        (('name = "centre"', ""), "receiver 1, field name: field required"),
        (('name = "值班群"', 'name = "centre"'), "'centre', field name: expected a name of its own"),
        (("https://hooks.example", "ftp://hooks.example"), "'centre', field url: expected http or https"),
        (("https://hooks.example", "https://me:pw@hooks.example"), "field url: expected no user"),
        (("https://hooks.example/", "https://10.0.0.8/"), "'centre', field url: expected a public address"),
        (("https://hooks.example/", "https://[::1]/"), "'centre', field url: expected a public address"),
        (("https://hooks.example/", "https://0177.0.0.1/"), "'centre', field url: invalid IPv4 address"),
        (("https://hooks.example/", "https://hooks.example:99999/"), "'centre', field url"),
        ((SECRET, "whsec_x"), "'centre', field secret: expected whsec_"),
        ((f'secret = "{SECRET}"', ""), "'centre', field secret"),
        (('lights = ["red", "yellow"]', 'lights = ["blue"]'), "'值班群', field lights"),
        (('lights = ["red", "yellow"]', 'light = ["red"]'), "'值班群', field light: extra inputs"),
        (('areas = ["320602"]', 'areas = ["Nantong"]'), "'值班群', field areas"),
        (('"22:00-07:00"', '"22-7"'), "'值班群', field quiet: expected two different times"),
        (("level = 2", 'level = "2"'), "'值班群', field level"),
        (('format = "dingtalk"', 'format = "wecom"'), "'值班群', field secret: expected none"),
        (('format = "dingtalk"', 'format = "fax"'), "'值班群', field format"),
        (('to = ["oncall@fund.example"]', ""), "'post', field to, sender"),
        (("[[receiver]]", "[receiver]"), "expected"),
    ],
)
def test_what_is_wrong_is_said_with_receiver_and_field_and_never_with_a_secret(
    tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    with pytest.raises(BadReceiversError) as raised:
        read(tmp_path, GOOD.replace(*change, 1))
    said = str(raised.value)
    assert named in said
    assert not any(secret in said for secret in (SECRET, "whsec_x", "SEC123", "access_token", "me:pw"))


def test_a_private_address_is_taken_when_it_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD.replace("https://hooks.example/", "https://10.0.0.8/"), "10.0.0.8")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadReceiversError, match="FUNDWATCH_WEBHOOKS"):
        read_receivers(tmp_path / "none", Guard())


def test_a_changed_file_is_read_and_a_bad_or_lost_one_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "receivers.toml"
    path.write_text(GOOD, encoding="utf-8")
    receivers = Receivers(path, Guard())

    def write(text: str, at: int) -> bool:
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(at, at))
        return receivers.changed()

    assert not receivers.changed()
    assert not write(GOOD + "\n# only a comment\n", 1)
    assert not write(GOOD + "nonsense", 2)
    assert len(receivers.current) == 3
    path.unlink()
    assert not receivers.changed()
    assert write(GOOD.split("\n[[receiver]]", 2)[1].join(["[[receiver]]", ""]), 3)
    assert list(receivers.current) == ["centre"]


def test_without_a_file_nobody_is_told() -> None:
    receivers = Receivers(None, Guard())
    assert (receivers.current, receivers.changed()) == ({}, False)
