"""A key's partition is the one Kafka gives it."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as aiokafkas
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitions import key_partition, murmur2


@pytest.mark.parametrize(
    ("key", "expected"),
    # values of Kafka's own test of its hash
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_the_hash_is_kafkas(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32


@given(st.binary(max_size=40), st.integers(1, 64))
def test_every_key_goes_where_the_client_sends_it(key: bytes, partitions: int) -> None:
    assert key_partition(key, partitions) == (aiokafkas(key) & 0x7FFFFFFF) % partitions
