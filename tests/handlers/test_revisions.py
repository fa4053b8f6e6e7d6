"""A ballot that an older node dropped leaves no revision; the journal is proved all the same."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.proof.replay import Replay
from tests.handlers.older import acked
from tests.model.in_process import EVENT, InProcess

Json = dict[str, Any]


class Scene:
    """An event under way, with one member who submits ballots."""

    def __init__(self) -> None:
        self.system = InProcess()
        policy = {"membership_auto": True}
        made = self.say("ada", "event.create", subject="s", policy=policy, options=["a", "b"])
        self.code = made["result"]["entrance_code"]
        self.join()
        self.say("ada", "event.start", event=EVENT)
        self.options = sorted(self.system.stored.options)

    def say(self, user: str, type: str, /, *, older: bool = False, **fields: Any) -> Json:
        """Have a newer node decide a command, or an ``older`` one."""
        return acked(self.system, user, type, older=older, **fields)

    def join(self) -> None:
        self.say("bob", "membership.join", code=self.code)

    def about(self, option: int) -> Json:
        return {"event": EVENT, "option": self.options[option], "criteria_rev": 1}

    def submit(self, option: int, **how: Any) -> int:
        """Submit a ballot; return its number as the member sees it."""
        self.say("bob", "ballot.submit", **self.about(option), **how)
        found: int = self.system.you("bob")["ballot"]["revision"]
        return found

    def clear(self, **how: Any) -> int:
        """Clear the ballot; return the position of that."""
        seq: int = self.say("bob", "ballot.clear", event=EVENT, **how)["seq"]
        return seq

    def leave(self, **how: Any) -> int:
        """Leave and come back; return the position of the leave."""
        seq: int = self.say("bob", "membership.leave", event=EVENT, **how)["seq"]
        self.join()
        return seq

    def proved(self) -> Replay:
        """The replay of the journal, which agrees."""
        replay = Replay(EVENT)
        assert replay.run(self.system.entries()) is None
        rows = self.system.stored.memberships.values()
        replay.take_revisions({row.user_id: row.ballot_revision for row in rows if row})
        for row in rows:
            assert row is not None
            known = replay.state.memberships[row.user_id]
            assert known is not None
            assert known.ballot_revision == row.ballot_revision
        return replay


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("drop", ["clear", "leave"])
def test_a_ballot_that_an_older_node_dropped_is_proved_by_the_next_one(
    scene: Scene, drop: str
) -> None:
    assert scene.submit(0) == 1
    seq = getattr(scene, drop)(older=True)
    assert scene.submit(1) == 1
    assert scene.proved().unrecorded == [seq]


def test_a_newer_node_counts_on_and_none_is_blamed(scene: Scene) -> None:
    scene.submit(0)
    scene.clear()
    assert scene.submit(1) == 2
    assert scene.proved().unrecorded == []


def test_what_an_older_node_left_is_counted_on_from(scene: Scene) -> None:
    scene.submit(0)
    scene.clear()
    assert scene.submit(1) == 2
    older = scene.clear(older=True)
    assert scene.submit(0) == 2
    scene.clear()
    assert scene.submit(1) == 3
    assert scene.proved().unrecorded == [older]


def test_without_another_ballot_the_table_shows_who_dropped_it(scene: Scene) -> None:
    scene.submit(0)
    scene.clear()
    assert scene.proved().unrecorded == []
    scene.submit(1)
    seq = scene.clear(older=True)
    assert scene.proved().unrecorded == [seq]


def test_a_ballot_that_counts_on_from_one_that_stands_shows_nothing_of_an_earlier_drop(
    scene: Scene,
) -> None:
    scene.submit(0)
    seq = scene.clear(older=True)
    scene.say("bob", "ballot.submit", older=True, **scene.about(1))
    assert scene.submit(0) == 2
    assert seq in scene.proved().unrecorded


def test_a_ballot_that_an_older_node_replaced_keeps_its_number(scene: Scene) -> None:
    scene.submit(0)
    scene.submit(1)
    assert scene.submit(0, older=True) == 2
    assert scene.submit(1) == 3
    scene.proved()


@pytest.mark.parametrize("shown", [3, 7])
def test_a_revision_that_no_node_gives_is_found(scene: Scene, shown: int) -> None:
    scene.submit(0)
    scene.clear()
    member = scene.system.stored.memberships["bob"]
    assert member is not None
    scene.system.stored.memberships["bob"] = type(member)(
        **{name: getattr(member, name) for name in member.__struct_fields__}
        | {"ballot_revision": shown - 1}
    )
    scene.system.held = None
    assert scene.submit(1) == shown
    difference = Replay(EVENT).run(scene.system.entries())
    assert difference is not None
    assert "by the rules it is" in difference.what
