"""Patches over many steps, made from the merged patches of their batches."""

from __future__ import annotations

import gc
import random
import tracemalloc
from typing import Any

import orjson
import pytest

from handlers.audiences import Audience, Patches
from protocol import answers, merge_patch
from server.rooms import step_history
from server.rooms.step_history import RoomStep, Span, StepHistory

AUDIENCES: tuple[Audience, ...] = ("member", "admin", "applicant")


def step(seq: int, **patches: dict[str, Any]) -> RoomStep:
    """A step with these patches, encoded as in the journal."""
    texts = {label: orjson.dumps(patch) for label, patch in patches.items()}
    return RoomStep(seq, Patches(**patches), texts, bytes(32))


def drawn(seq: int, random_: random.Random) -> RoomStep:
    """A step that changes the view of some audiences."""
    place = {"proposals": {f"p{random_.randrange(3)}": {"agree": seq, "against": None}}}
    patches: dict[str, dict[str, Any]] = {"member": place}
    if random_.random() < 0.3:
        patches["admin"] = {"requests": {f"r{random_.randrange(3)}": random_.choice([None, {}])}}
    if random_.random() < 0.3:
        patches["applicant"] = {"event": {"status": f"s{seq}"}}
    return step(seq, **patches)


def merged(steps: list[RoomStep], audience: Audience) -> Any:
    """The same patch, merged step by step."""
    patch: dict[str, Any] = {}
    for one in steps:
        if audience == "applicant":
            merge_patch.compose(patch, one.patches.applicant)
            continue
        merge_patch.compose(patch, one.patches.member)
        if audience == "admin":
            merge_patch.compose(patch, one.patches.admin)
    return patch


@pytest.mark.parametrize("seed", range(20))
def test_a_patch_made_of_batches_is_the_patch_made_of_steps(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(seed)
    monkeypatch.setattr(step_history, "MAX_STEPS_IN_MEMORY", 40)
    history, steps, top = StepHistory(), list[RoomStep](), 7
    for _ in range(30):
        batch = [drawn(top + n + 1, random_) for n in range(random_.randrange(1, 6))]
        if random_.random() < 0.1:
            history.remember(batch)
        else:
            history.add(batch)
        steps, top = [*steps, *batch], batch[-1].seq
        for after in range(history.steps[0].seq - 1, top + 1):
            for audience in AUDIENCES:
                later = [one for one in steps if one.seq > after]
                made = orjson.loads(history.merge(after, top, audience))
                assert made == merged(later, audience)


def test_merging_changes_no_step() -> None:
    history = StepHistory()
    first = step(1, member={"proposals": {"p": {"agree": 1}}})
    history.add([first])
    history.add([step(2, member={"proposals": {"p": {"agree": 2}}})])
    assert orjson.loads(history.merge(0, 2, "member")) == {"proposals": {"p": {"agree": 2}}}
    assert first.patches.member == {"proposals": {"p": {"agree": 1}}}


def test_a_merged_patch_goes_with_the_oldest_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_history, "MAX_STEPS_IN_MEMORY", 3)
    history = StepHistory()
    spans = [history.add([step(seq, member={"n": seq}), step(seq + 1)]) for seq in (1, 3)]
    assert [one.seq for one in history.steps] == [2, 3, 4]
    assert spans[0] not in history._spans
    assert spans[1] in history._spans
    assert orjson.loads(history.merge(1, 4, "member")) == {"n": 3}


def test_the_patches_of_a_single_step_are_shared() -> None:
    alone = step(1, member={"n": 1})
    assert Span.of([alone]).member is alone.patches.member


def test_a_step_in_memory_takes_a_small_multiple_of_its_bytes() -> None:
    history = StepHistory()
    tracemalloc.start()
    try:
        for first in range(1, 2_000, 40):
            history.add([vote(seq) for seq in range(first, first + 40)])
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(history.steps) == 2_000
    assert taken < 8 * history.weight


def vote(seq: int) -> RoomStep:
    """The step of a vote, as the lane makes it."""
    member = {"proposals": {"prp_abcdefghijklmnop": {"agree": seq, "voters": seq}}}
    you = {f"user-{seq}": {"votes": {"prp_abcdefghijklmnop": True}}}
    texts = {"member": answers.encode_kept(member), "you": answers.encode_kept(you)}
    return RoomStep(seq, Patches(member=member, you=you), texts, bytes(32))
