"""Cached previews are bounded, and used only while they are valid."""

from __future__ import annotations

import math

import pytest

from server.services import previews as module
from server.services.previews import Key, Previews


def key(number: int) -> Key:
    """Different policies."""
    return ("event", "epoch", 1, b"%d" % number)


def test_an_answer_is_kept_until_time_may_change_it() -> None:
    now = 0.0
    previews = Previews(lambda: now)
    previews.keep(key(1), ["p_1"], 5.0)
    previews.keep(key(2), ["p_2"], math.inf)
    assert previews.find(key(1)) == ["p_1"]
    now = 5.0
    assert previews.find(key(1)) is None
    assert previews.find(key(2)) == ["p_2"]


def test_what_is_kept_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PREVIEW_BYTES", 1_000)
    previews = Previews()
    previews.keep(key(0), ["p" * 2_000], math.inf)
    assert previews.find(key(0)) is None
    for number in range(100):
        previews.keep(key(number), ["p" * 100], math.inf)
        previews.keep(key(number), ["p" * 100], math.inf)
    assert previews.find(key(99)) is not None
    assert previews.find(key(0)) is None
    assert 500 < previews._bytes <= 1_000
    assert previews._bytes == sum(kept.size for kept in previews._kept.values())
