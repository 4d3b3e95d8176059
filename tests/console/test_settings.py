"""Settings of the console from the environment."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from console.settings import ConsoleSettings


def test_the_default_is_this_machine_only() -> None:
    settings = ConsoleSettings()
    assert settings.console_host == "127.0.0.1"
    assert settings.console_networks == [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    assert settings.tokens is None


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_CONSOLE_NETWORKS", "10.1.0.0/16, 127.0.0.1/32")
    monkeypatch.setenv("FUNDWATCH_CONSOLE_NAMES", "wall.example,localhost")
    monkeypatch.setenv("FUNDWATCH_TOKENS", "tokens.toml")
    settings = ConsoleSettings()
    assert settings.console_networks == [ip_network("10.1.0.0/16"), ip_network("127.0.0.1/32")]
    assert settings.console_names == ["wall.example", "localhost"]
    assert settings.tokens == Path("tokens.toml")


def test_a_network_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDWATCH_CONSOLE_NETWORKS", "everybody")
    with pytest.raises(ValidationError):
        ConsoleSettings()
