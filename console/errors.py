"""What can go wrong in the console, said so that the caller or the operator can mend it."""

from __future__ import annotations


class ConsoleError(Exception):
    """Base of every error of this package."""


class BoardUnavailable(ConsoleError):
    """The rows of a module cannot be had now: the store does not answer or is too slow."""


class BadFilter(ConsoleError):
    """A filter or cursor of a list that cannot be read; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
