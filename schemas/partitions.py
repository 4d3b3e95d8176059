"""Which partition a key belongs to: Kafka's own rule, for whoever must agree with it without a broker."""

from __future__ import annotations

from typing import Final

PARTITIONS: Final = 8
"""Of every topic, unless the installation says otherwise."""

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit hash of a key (Austin Appleby's MurmurHash2 with Kafka's seed), unsigned."""
    length = len(data)
    whole = length - length % 4
    mixed = _SEED ^ length
    for start in range(0, whole, 4):
        part = int.from_bytes(data[start : start + 4], "little") * _FACTOR & _WORD
        part = (part ^ part >> 24) * _FACTOR & _WORD
        mixed = (mixed * _FACTOR & _WORD) ^ part
    if length > whole:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _WORD
    mixed = (mixed ^ mixed >> 13) * _FACTOR & _WORD
    return mixed ^ mixed >> 15


def key_partition(key: bytes, partitions: int) -> int:
    """The partition Kafka's default partitioner (murmur2) gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
