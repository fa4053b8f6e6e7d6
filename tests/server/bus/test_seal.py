"""Sealed messages: only nodes with the key can make, change or read them, each for one use."""

from __future__ import annotations

import secrets

import pytest

from server.bus.seal import MAX_KEYS, MAX_SENDERS, SEAL_BYTES, Seal

KEY = bytes(range(32))


def seal_with(*keys: bytes) -> Seal:
    """A node's seal after it was given these keys, one after another."""
    made = Seal()
    for key in keys:
        made.use(key)
    return made


def test_another_node_with_the_key_opens_what_was_sealed() -> None:
    one, other = seal_with(KEY), seal_with(KEY)
    for text in (b"", b"x", bytes(100_000)):
        sealed = one.seal("steps", "e1", text)
        assert len(sealed) == len(text) + SEAL_BYTES
        assert other.open("steps", "e1", sealed) == text
        # A repeated message opens too: its receiver knows its position.
        assert other.open("steps", "e1", sealed) == text


def test_nobody_without_the_key_reads_or_makes_one() -> None:
    sealed = seal_with(KEY).seal("steps", "e1", b"a secret vote")
    assert b"secret" not in sealed
    assert seal_with(secrets.token_bytes(32)).open("steps", "e1", sealed) is None
    assert Seal().open("steps", "e1", sealed) is None
    with pytest.raises(RuntimeError):
        Seal().seal("steps", "e1", b"x")


def test_one_sealed_for_another_use_or_subject_is_refused() -> None:
    sealed = seal_with(KEY).seal("steps", "e1", b"x")
    other = seal_with(KEY)
    for kind, about in (("step", "e1"), ("steps", "e2"), ("stepse", "1"), ("", "5:stepse1")):
        assert other.open(kind, about, sealed) is None
    assert other.open("steps", "e1", sealed) == b"x"


def test_no_changed_bit_and_no_cut_passes() -> None:
    other = seal_with(KEY)
    sealed = seal_with(KEY).seal("steps", "e1", b"text")
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            assert other.open("steps", "e1", bytes(changed)) is None
        assert other.open("steps", "e1", sealed[:at]) is None
    assert other.open("steps", "e1", sealed + b"x") is None


def test_no_message_is_sealed_like_another() -> None:
    one, other = seal_with(KEY), seal_with(KEY)
    made = {node.seal("steps", "e1", b"the same") for node in (one, other) for _ in range(100)}
    assert len(made) == 200
    # Two senders with the same number must not use the same key stream.
    first, second = (seal_with(KEY).seal("steps", "e1", bytes(64)) for _ in range(2))
    assert first[-80:] != second[-80:]


def test_while_a_key_is_replaced_both_open() -> None:
    new = secrets.token_bytes(32)
    old, both, late = seal_with(KEY), seal_with(KEY, new), seal_with(new)
    assert both.open("steps", "e1", old.seal("steps", "e1", b"x")) == b"x"
    assert late.open("steps", "e1", both.seal("steps", "e1", b"y")) == b"y"
    assert late.open("steps", "e1", old.seal("steps", "e1", b"x")) is None
    many = seal_with(*(secrets.token_bytes(32) for _ in range(MAX_KEYS)))
    many.use(KEY)
    assert len(many._keys) == MAX_KEYS
    assert many.open("steps", "e1", old.seal("steps", "e1", b"x")) == b"x"


def test_senders_that_somebody_invents_take_no_memory() -> None:
    other = seal_with(KEY)
    sealed = seal_with(KEY).seal("steps", "e1", b"x")
    for _ in range(1_000):
        forged = sealed[:1] + secrets.token_bytes(16) + sealed[17:]
        assert other.open("steps", "e1", forged) is None
    assert not other._ciphers
    for _ in range(MAX_SENDERS + 10):
        assert other.open("steps", "e1", seal_with(KEY).seal("steps", "e1", b"x")) == b"x"
    assert len(other._ciphers) == MAX_SENDERS
