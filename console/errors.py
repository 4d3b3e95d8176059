"""What can go wrong in the console, said so that the caller or the operator can mend it."""

from __future__ import annotations

from traceback import extract_tb


class ConsoleError(Exception):
    """Base of every error of this package."""


class BoardUnavailableError(ConsoleError):
    """The rows of a module cannot be had now: the store does not answer or is too slow."""


class BadFilterError(ConsoleError):
    """A filter or cursor of a list that cannot be read; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def told(error: BaseException) -> dict[str, str]:
    """An error as log fields: its kind and where it was raised, without values, which may be personal."""
    frames = extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "raised_in": f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "",
    }
