"""Requests to join that an older node decided keep their numbers; newer nodes decide rightly."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from handlers.proof.replay import Replay
from tests.handlers.older import acked
from tests.model.in_process import EVENT, InProcess

Json = dict[str, Any]


class Scene:
    """An event under way whose members are let in by its admin, and three who ask."""

    def __init__(self, *, forget_every: int, **limits: int) -> None:
        self.system = InProcess(forget_every=forget_every, **limits)
        made = self.say("ada", "event.create", subject="s", policy={"membership_auto": False})
        self.code = made["code"]
        self.say("ada", "event.start", event=EVENT)
        for user in ("bob", "cid", "dan"):
            self.ask(user)

    def say(self, user: str, type: str, /, *, older: bool = False, **fields: Any) -> Json:
        """Have a newer node decide a command, or an ``older`` one; return the result."""
        result: Json = acked(self.system, user, type, older=older, **fields)["result"]
        return result | {"code": result.get("entrance_code")}

    def ask(self, user: str, **how: Any) -> None:
        self.say(user, "membership.join", code=self.code, **how)

    def decide(self, act: str, **fields: Any) -> Json:
        return self.say("ada", f"membership.{act}", event=EVENT, **fields)

    def status(self, user: str) -> str | None:
        held = self.system.stored.memberships.get(user)
        return held.status if held is not None else None

    def change(self, user: str, **fields: Any) -> None:
        """Write a wrong row, which the next step is decided by."""
        row = self.system.stored.memberships[user]
        assert row is not None
        self.system.stored.memberships[user] = replace(row, **fields)
        self.system.held = None

    def prove(self) -> None:
        """Replay the journal; it must agree, and give the tables."""
        replay = Replay(EVENT)
        assert replay.run(self.system.entries()) is None
        left, stored = replay.state, self.system.stored
        replay.take_names({user: row.name for user, row in stored.memberships.items() if row})
        replay.take_ceiling(stored.event.request_ceiling)
        for name in ("requests", "requests_made", "request_ceiling", "members", "joins"):
            assert getattr(left.event, name) == getattr(stored.event, name), name
        rows = {user: row for user, row in stored.memberships.items() if row}
        assert {user: row for user, row in left.memberships.items() if row} == rows
        for audience in ("admin", "member"):
            self.system.state(audience)  # The law of folding


#: How often the state is loaded again: with each command, or never while newer nodes decide.
@pytest.fixture(params=[1, 1_000], ids=["loaded each time", "kept"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(forget_every=request.param)


@pytest.mark.parametrize("act", ["approve", "reject", "cancel"])
@pytest.mark.parametrize("then", ["approve_all", "reject_all"])
def test_a_request_that_an_older_node_decided_is_not_decided_again(
    scene: Scene, act: str, then: str
) -> None:
    if act == "cancel":
        scene.say("bob", "membership.cancel", event=EVENT, older=True)
    else:
        scene.decide(act, user="bob", older=True)
    status = scene.status("bob")
    # Their membership is held when the requests are read.
    scene.say("ada", "membership.set_role", event=EVENT, user="ada", role="admin")
    if status == "accepted":
        scene.say("bob", "membership.rename", event=EVENT, name="Robert")
    result = scene.decide(then)
    named = result["approved" if then == "approve_all" else "rejected"]
    assert named == ["cid", "dan"]
    assert scene.status("bob") == status
    scene.prove()


@pytest.mark.parametrize("read", [False, True], ids=["unread", "read"])
def test_who_asks_again_after_an_older_node_decided_is_last(scene: Scene, read: bool) -> None:
    scene.decide("approve", user="bob", older=True)
    if read:
        scene.decide("reject", user="dan")
    scene.say("bob", "membership.leave", event=EVENT)
    scene.ask("bob")
    scene.ask("eva")
    waiting = ["cid"] if read else ["cid", "dan"]
    assert scene.decide("approve_all")["approved"] == [*waiting, "bob", "eva"]
    scene.prove()


def test_later_requests_are_seen_after_an_older_node_decided_one(scene: Scene) -> None:
    scene.decide("reject", user="bob", older=True)
    scene.decide("approve", user="cid")
    scene.ask("eva")
    assert scene.decide("approve_all")["approved"] == ["dan", "eva"]
    scene.prove()


@pytest.mark.parametrize("forget_every", [1, 1_000])
@pytest.mark.parametrize("shown", [1, 2])
def test_the_window_of_requests_moves_on_after_an_older_node_decided(
    shown: int, forget_every: int
) -> None:
    scene = Scene(forget_every=forget_every, shown_requests=shown)
    scene.decide("approve", user="bob", older=True)
    scene.decide("approve", user="cid")
    scene.decide("reject", user="dan")
    scene.ask("eva")
    scene.ask("fay")
    scene.decide("approve", user="eva")
    scene.decide("approve", user="fay")
    scene.prove()


def test_a_step_that_changes_nothing_leaves_the_window_of_requests() -> None:
    scene = Scene(forget_every=1, shown_requests=2)
    scene.decide("approve", user="bob", older=True)
    scene.decide("add", people=[{"user": "ada"}])
    assert scene.system.stored.event.request_ceiling == 2
    scene.prove()


def test_the_end_of_the_window_may_stay_if_an_older_node_let_somebody_in() -> None:
    scene = Scene(forget_every=1, shown_requests=2)
    scene.decide("reject", user="dan", older=True)
    scene.decide("reject", user="cid", older=True)
    policy = {"membership_auto": True}
    scene.say("ada", "event.set_policy", event=EVENT, policy_version=1, policy=policy)
    scene.ask("eva", older=True)
    assert scene.status("eva") == "accepted"
    assert scene.system.stored.event.request_ceiling == 2
    scene.prove()


def test_a_request_that_was_passed_over_is_found_if_no_older_node_decided_it(scene: Scene) -> None:
    scene.change("bob", request_no=None)
    assert scene.decide("reject_all")["rejected"] == ["cid", "dan"]
    difference = Replay(EVENT).run(scene.system.entries())
    assert difference is not None
    assert "by the rules it is" in difference.what


def test_a_member_who_is_let_in_twice_is_found(scene: Scene) -> None:
    scene.decide("approve", user="bob", older=True)
    scene.change("bob", status="pending")
    assert scene.decide("approve_all")["approved"] == ["bob", "cid", "dan"]
    difference = Replay(EVENT).run(scene.system.entries())
    assert difference is not None
    assert "by the rules it is" in difference.what


@pytest.mark.parametrize("shown", [1, 2])
def test_another_end_of_the_window_is_found(shown: int) -> None:
    scene = Scene(forget_every=1, shown_requests=shown)
    replay = Replay(EVENT)
    assert replay.run(scene.system.entries()) is None
    for ceiling in {None, 1, 2, 3} - {shown}:
        replay.take_ceiling(ceiling)
        assert replay.state.event.request_ceiling == shown


def test_after_an_older_node_too_the_window_must_show_the_same_requests() -> None:
    scene = Scene(forget_every=1, shown_requests=1)
    scene.decide("reject", user="bob", older=True)
    scene.decide("reject", user="cid")
    replay = Replay(EVENT)
    assert replay.run(scene.system.entries()) is None
    assert replay.unrecorded
    assert replay.state.event.request_ceiling == 3
    replay.take_ceiling(2)
    assert replay.state.event.request_ceiling == 3
