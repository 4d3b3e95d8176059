"""What can go wrong on the way through Kafka and at the doors, said so that the operator can mend it."""

from __future__ import annotations


class StreamsError(Exception):
    """Base of every error of this package."""
