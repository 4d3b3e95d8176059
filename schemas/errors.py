"""What can be wrong with a message, said so that its sender can mend it."""

from __future__ import annotations


class SchemaError(Exception):
    """Base of every error of this package."""


class Refused(SchemaError):  # noqa: N818  the outcome a sender sees, not a fault of ours
    """A value that breaks the contract; it becomes a dead letter.

    ``field`` is the wire path of what is wrong (``lines[0].cnt``; empty when the value as a whole is wrong) and
    ``reason`` a sentence that says what was expected and what came.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
