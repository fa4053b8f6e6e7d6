"""Folding: slow and quick readers end with the same state, and nothing is changed in place."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ayes_client._rooms.changes import Change, Changes
from ayes_client._rooms.view import MAX_HELD_PATCHES, RoomView
from ayes_client._wire.backoff import Backoff
from ayes_client._wire.merge_patch import compose, fold
from protocol import merge_patch as reference
from tests.parts import ROOT

_leaves: Any = st.sampled_from([None, 0, 1, "a", [1], True])
_keys = st.sampled_from("abc")
_shallow = st.dictionaries(_keys, _leaves, max_size=3)
_deep = st.dictionaries(_keys, _leaves | _shallow, max_size=3)
_patches = st.dictionaries(_keys, _leaves | _shallow | _deep, max_size=3)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(held) for key, held in value.items() if held is not None}
    return value


_EXAMPLES = json.loads((ROOT / "tests/clients/merge_patches.json").read_text())
_documents = _patches.map(without_nulls)


#: The machine may be busy with other tests.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(_documents, _patches)
def test_folding_is_the_rfcs_and_changes_nothing_in_place(document: Any, patch: Any) -> None:
    before = copy.deepcopy(document), copy.deepcopy(patch)
    folded = fold(document, patch)
    assert (document, patch) == before
    assert folded == reference.apply(copy.deepcopy(document), copy.deepcopy(patch))


@UNHURRIED
@given(_patches, _patches)
def test_composing_is_the_servers(first: Any, second: Any) -> None:
    before = copy.deepcopy(first), copy.deepcopy(second)
    composed = compose(first, second)
    assert (first, second) == before
    assert composed == reference.compose(copy.deepcopy(first), copy.deepcopy(second))


@pytest.mark.parametrize("row", _EXAMPLES, ids=str)
def test_folding_gives_the_rfcs_own_examples(row: Any) -> None:
    """Appendix A, each example one level down, since a room's state and patches are objects."""
    held = {"x": row["target"]}
    wanted = {} if row["patch"] is None else {"x": row["result"]}
    assert fold(held, {"x": row["patch"]}) == wanted
    assert held == {"x": row["target"]}


async def test_a_slow_reader_gets_one_change_for_many() -> None:
    reader = Changes(None)
    state: dict[str, Any] = {}
    for number in range(10_000):
        patch = {"proposals": {f"p{number % 100}": {"agree": number}}}
        state = fold(state, patch)
        reader.put(Change(number, number + 1, patch, None))
    change = await anext(reader)
    assert (change.from_seq, change.seq) == (0, 10_000)
    assert change.patch is not None
    assert fold({}, change.patch) == state


async def test_a_snapshot_in_between_makes_the_change_whole() -> None:
    reader = Changes(None)
    reader.put(Change(1, 2, {"a": 1}, None))
    reader.put(Change(2, 9, None, "lag"))
    reader.put(Change(9, 10, {"a": 2}, None))
    assert await anext(reader) == Change(1, 10, None, "lag")
    reader.end(None)
    assert [change async for change in reader] == []


def begun() -> RoomView:
    """A room at step 1 with one proposal, which has no agreeing vote."""
    view = RoomView("e1", Backoff())
    state = {"proposals": {"p1": {"revision": 3, "agree": 0}}}
    you = {"membership": {"status": "accepted"}, "votes": {}}
    view.apply({"type": "snapshot", "epoch": "x", "seq": 1, "state": state, "you": you})
    return view


async def test_a_vote_and_its_count_reach_every_callback_in_one_moment() -> None:
    view, rng = begun(), random.Random(7)
    seen: list[tuple[int, bool]] = []

    def look(_: object) -> None:
        seen.append((view.state["proposals"]["p1"]["agree"], "p1" in view.you["votes"]))

    for name in ("change", "you", "presence"):
        view.callbacks.add(name, look)
    for step in range(1_000):
        voted = step % 2 == 0
        patch = {"proposals": {"p1": {"agree": int(voted)}}}
        you: Any = {
            "type": "you",
            "seq": step + 2,
            "patch": {"votes": {"p1": 3 if voted else None}},
        }
        diff = {"type": "diff", "epoch": "x", "from": step + 1, "seq": step + 2, "patch": patch}
        whole = {"membership": {"status": "accepted"}, "votes": {"p1": 3} if voted else {}}
        resumed = {**diff, "type": "resumed", "you": whole}
        messages = [you, diff] if rng.random() < 0.9 else rng.choice([[resumed], [you, resumed]])
        for message in messages:
            while rng.random() < 0.4:
                view.apply({"type": "presence", "online": step})
            assert not view.apply(message)
        view.apply({"type": "presence", "online": step})
        assert seen[-1] == (int(voted), voted)
    assert set(seen) == {(0, False), (1, True)}


async def test_patches_of_you_whose_diffs_never_come_are_bounded() -> None:
    view = begun()
    you: Any = {"type": "you", "patch": {"votes": {"p1": 3}}}
    behind = [view.apply({**you, "seq": seq + 2}) for seq in range(MAX_HELD_PATCHES + 1)]
    assert behind == [False] * MAX_HELD_PATCHES + [True]
    assert view.you["votes"] == {}
