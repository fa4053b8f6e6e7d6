"""A snapshot that is made in slices shows the room as it is at the end."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson
import pytest

from protocol import merge_patch
from server.rooms import rendering
from server.rooms.rendering import MAX_CHANGED_ENTRIES, Rendering


def state_of(count: int) -> dict[str, Any]:
    """A state of ``count`` proposals, and a few other records."""
    return {
        "event": {"id": "e", "policy": {"quorum": None}},
        "options": {},
        "proposals": {f"p_{n}": {"content": "가" * 100, "agree": n} for n in range(count)},
        "members": {'"quoted"': {"name": "q"}},
        "counts": {"members": 1},
        "results": {"ballots": 2},
    }


@pytest.mark.parametrize("count", [0, 1, MAX_CHANGED_ENTRIES, 2_000])
async def test_it_is_what_encoding_it_in_one_go_gives(count: int) -> None:
    state = state_of(count)
    made = await Rendering(lambda: state).run()
    assert made == orjson.dumps(state)


async def test_what_changes_on_the_way_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MAX_RENDER_SLICE_BYTES", 1_000)
    state = state_of(500)
    work = Rendering(lambda: state)
    draw = random.Random(7)
    moves = 0

    def move() -> None:
        nonlocal moves
        moves += 1
        id = f"p_{draw.randrange(600)}"
        change: Any = None if draw.random() < 0.3 else {"agree": draw.randrange(100)}
        patch = {"proposals": {id: change}, "counts": {"members": moves}}
        merge_patch.apply(state, patch)
        work.changed(patch)

    task = asyncio.create_task(work.run())
    while not task.done():
        move()
        await asyncio.sleep(0)
    assert moves > 20
    assert orjson.loads(task.result()) == state


async def test_a_room_that_is_read_anew_is_rendered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MAX_RENDER_SLICE_BYTES", 1_000)
    state = state_of(500)
    work = Rendering(lambda: state)
    task = asyncio.create_task(work.run())
    await asyncio.sleep(0)
    state = state_of(300)
    work.start_over()
    assert await task == orjson.dumps(state)


async def test_a_large_one_leaves_the_loop_to_others() -> None:
    state = state_of(3_000)
    turns = 0
    task = asyncio.create_task(Rendering(lambda: state).run())
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
