"""The room of a member, an applicant and a stranger (``docs/protocol.md``, "Rooms")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.errors import ErrorCode, RetryableError
from tests.promises.client import Client, Room
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, by_count, gathering
from tests.promises.stage import stage


async def test_a_subscription_begins_with_a_snapshot(server: Running) -> None:
    scene = await gathering(server, 1, options=["a"], assumptions=["b"], criteria=["c"])
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    (start,) = room.starts
    assert (start["type"], start["reason"]) == ("snapshot", "initial")
    assert set(start) - {"ref"} == {"type", "event", "epoch", "seq", "reason", "state", "you"}
    assert set(room.state) == {
        *("event", "options", "assumptions", "criteria", "proposals", "comments", "members"),
        "counts",
    }
    event = room.state["event"]
    assert set(event) == {
        *("id", "subject", "status", "entrance_code", "max_members", "policy", "policy_version"),
        *("criteria_rev", "created_at"),
    }
    assert event["id"] == scene.event
    assert room.state["counts"] == {"members": 2, "ballots": 0, "proposals": 0, "comments": 0}
    membership = {"status": "accepted", "role": "member"}
    assert room.you == {"membership": membership, "votes": {}, "stances": {}}
    admin = await scene.admin.subscribe(scene.event)
    assert set(admin.state) - set(room.state) == {"requests", "invitations"}


async def test_nothing_is_ever_null_in_a_snapshot(server: Running) -> None:
    def nulls(value: Any) -> bool:
        if isinstance(value, dict):
            return any(nulls(inner) for inner in value.values())
        if isinstance(value, list):
            return any(nulls(inner) for inner in value)
        return value is None

    made = await stage(server)
    await made.do("proposal.accept", proposal=made.proposals["conclusion"])
    await made.do("event.finish")
    for client in made.everyone:
        reader = await server.connect(client.user)
        room = await reader.subscribe(made.event)
        assert not nulls(room.state)
        assert not nulls(room.you)


async def test_no_room_message_without_a_subscription(server: Running) -> None:
    scene = await gathering(server, 2)
    watcher, deaf = scene.members
    room = await watcher.subscribe(scene.event)
    proposal = await scene.propose()
    await scene.vote(deaf, proposal)
    ack = await scene.vote(watcher, proposal)
    await room.reached(ack["seq"])
    await deaf.ask("ping")
    assert {message["type"] for message in deaf.received} == {"welcome", "ack", "pong"}
    assert {message["type"] for message in scene.admin.received} == {"welcome", "ack"}


async def test_you_goes_to_all_of_ones_own_sockets_and_to_nobody_else(server: Running) -> None:
    scene = await gathering(server, 2)
    voter, other = scene.members
    tab = await server.connect(voter.user)
    rooms = await scene.watch(voter, tab, other, scene.admin)
    proposal = await scene.propose()
    ack = await scene.vote(voter, proposal)
    for room in rooms:
        await room.reached(ack["seq"])
    for room in rooms[:2]:
        await room.client.saw("you")
        assert room.you["votes"] == {proposal: 1}
        assert room.yours[-1]["seq"] >= ack["seq"]
    for room in rooms[2:]:
        await room.client.ask("ping")
        assert room.yours == []
        assert "votes" not in str(room.diffs)
        assert voter.user not in str(room.diffs[-1])


async def test_one_command_is_one_step_for_everybody(server: Running) -> None:
    """The deciding vote, the acceptance, its content and the rivals come together."""
    scene = await gathering(server, 2, policy=by_count(2), started=False, assumptions=["old"])
    await scene.do("event.start")
    one, two = scene.members
    (item,) = (await scene.state())["assumptions"]
    given = {"category": "update", "target": item, "base_version": 1}
    proposal = await scene.propose(one, content="new", **given)
    rival = await scene.propose(two, content="newer", **given)
    await scene.vote(one, proposal)
    (room,) = await scene.watch(scene.admin)
    ack = await scene.vote(two, proposal)
    assert ack["result"]["status"] == "accepted"
    await room.reached(ack["seq"])
    (diff,) = room.diffs
    assert (diff["from"], diff["seq"]) == (ack["seq"] - 1, ack["seq"])
    patch = diff["patch"]
    assert patch["assumptions"] == {item: {"content": "new", "version": 2}}
    assert patch["proposals"][rival] == {"stale": True}
    decided = patch["proposals"][proposal]
    assert (decided["status"], decided["resolution"]) == ("accepted", "auto_votes")
    # The giver of the last vote is secret.
    assert "resolved_by" not in decided
    assert decided["decision"] == {
        "agree": 2,
        "eligible": 3,
        "rule": "count",
        "threshold": 2,
        "policy_version": 1,
    }


async def test_positions_move_for_everyone(server: Running) -> None:
    """A step that an audience may not see is an empty patch for it."""
    scene = await gathering(server, 1, joins=False)
    applicant = await scene.newcomer()
    await scene.join(applicant)
    outer = await applicant.subscribe(scene.event)
    inner = await scene.members[0].subscribe(scene.event)
    seq = (await scene.join(await scene.newcomer()))["seq"]
    await inner.reached(seq)
    await outer.reached(seq)
    assert inner.diffs[-1]["patch"] == {}
    ack = await scene.admin.ack("proposal.create", event=scene.event, kind="assumption",
                                category="create", content="secret")  # fmt: skip
    await outer.reached(ack["seq"])
    assert "secret" not in str(applicant.received)


async def test_an_applicant_sees_subject_status_and_the_approval_live(server: Running) -> None:
    scene = await gathering(server, 1, joins=False, options=["pizza"])
    applicant = await scene.newcomer()
    await scene.join(applicant)
    room = await applicant.subscribe(scene.event)
    assert room.state["event"] == {
        "id": scene.event,
        "subject": "Where do we eat?",
        "status": "in_progress",
    }
    hidden = ("options", "assumptions", "criteria", "proposals", "comments", "members", "counts")
    assert all(room.state[name] == {} for name in hidden)
    assert room.you == {"membership": {"status": "pending"}, "votes": {}, "stances": {}}
    await scene.do("event.pause")
    await applicant.until(lambda: room.state["event"]["status"] == "paused")
    await scene.do("membership.approve", user=applicant.user)
    await applicant.until(lambda: len(room.starts) == 2)
    assert room.starts[1]["reason"] == "role"
    assert room.you["membership"] == {"status": "accepted", "role": "member"}
    assert len(room.state["options"]) == 1


async def test_a_changed_role_is_a_new_snapshot(server: Running) -> None:
    scene = await gathering(server, 1, joins=False)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    await scene.join(await scene.newcomer("somebody"))
    for role, sees in (("admin", True), ("member", False)):
        before = len(room.starts)
        await scene.do("membership.set_role", user=member.user, role=role)
        await member.until(lambda n=before: len(room.starts) > n)  # type: ignore[misc]
        assert room.starts[-1]["reason"] == "role"
        assert room.you["membership"]["role"] == role
        assert ("requests" in room.state) == sees


async def test_a_database_away_when_a_role_changes_puts_nobody_out_of_the_room(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    rooms = server.node.rooms
    standing = rooms.load_own
    asked = []

    async def away_at_first(of: Any, user: str) -> Any:
        asked.append(user)
        if len(asked) == 1:
            raise RetryableError(ErrorCode.OVERLOADED)
        return await standing(of, user)

    monkeypatch.setattr("server.sessions.request_worker.SNAPSHOT_RETRY_DELAY_S", 0.01)
    monkeypatch.setattr(rooms, "load_own", away_at_first)
    await scene.do("membership.set_role", user=member.user, role="admin")
    await member.until(lambda: room.starts[-1].get("reason") == "role", "the new snapshot")
    assert asked == [member.user, member.user]
    assert not member.of("unsubscribed")
    assert room.you["membership"]["role"] == "admin"


# Users without access


async def test_who_may_not_know_the_event_gets_not_found(server: Running) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    answers = []
    for event in (scene.event, "no-such-event"):
        answer = await stranger.request({"type": "subscribe", "event": event})
        answers.append((answer["code"], answer["message"], answer["details"]))
    assert answers[0] == answers[1]
    assert answers[0][0] == "not_found"


async def test_a_former_member_is_told_so(server: Running) -> None:
    scene = await gathering(server, 1, joins=True)
    (member,) = scene.members
    await member.ack("membership.leave", event=scene.event)
    answer = await member.request({"type": "subscribe", "event": scene.event})
    assert answer["code"] == "not_a_member"


# The end of a subscription


async def silent_from_here(room: Room, scene: Scene) -> None:
    """No message of the room arrives any more, after any command in it."""
    before = len(room.client.received)
    await scene.do("event.rotate_code")
    proposal = await scene.propose()
    other = await server_reader(scene)
    await scene.do("comment.add", proposal=proposal, content="still here?")
    await other.until(lambda: bool(other.rooms[scene.event].diffs))
    await room.client.ask("ping")
    late = [m for m in room.client.received[before:] if m.get("event") == scene.event]
    assert late == []


async def server_reader(scene: Scene) -> Client:
    """A socket that shows when the room's message was sent."""
    reader = await scene.server.connect(scene.admin.user)
    await reader.subscribe(scene.event)
    return reader


async def test_unsubscribed_by_the_client(server: Running) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    answer = await member.ask("unsubscribe", event=scene.event)
    assert (answer["type"], answer["reason"]) == ("unsubscribed", "client")
    await silent_from_here(room, scene)
    again = await member.request({"type": "unsubscribe", "event": scene.event})
    assert again["code"] == "not_found"


@pytest.mark.parametrize("reason", ["removed", "left", "revoked", "cancelled"])
async def test_unsubscribed_by_what_happened(server: Running, reason: str) -> None:
    scene = await gathering(server, 0, joins=reason in ("removed", "left"))
    who = await scene.newcomer()
    await scene.join(who)
    tab = await server.connect(who.user)
    rooms = await scene.watch(who, tab)
    match reason:
        case "removed":
            await scene.do("membership.remove", user=who.user)
        case "left":
            await who.ack("membership.leave", event=scene.event)
        case "revoked":
            await scene.do("membership.reject", user=who.user)
        case "cancelled":
            await who.ack("membership.cancel", event=scene.event)
    for room in rooms:
        assert await room.closed() == {"cancelled": "left"}.get(reason, reason)
    for room in rooms:
        await silent_from_here(room, scene)


async def test_who_comes_back_subscribes_anew(server: Running) -> None:
    scene = await gathering(server, 1, joins=True)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    await member.ack("membership.leave", event=scene.event)
    await room.closed()
    await scene.join(member)
    await member.subscribe(scene.event)
    assert room.starts[-1]["reason"] == "initial"
    answer = await scene.do("event.rotate_code")
    await member.until(
        lambda: room.state["event"]["entrance_code"] == answer["entrance_code"], "the new code"
    )


async def test_what_admins_alone_see_is_in_nobody_elses_snapshot(
    server: Running, migrated_url: str
) -> None:
    """This holds in a room that is loaded later, too, when there are votes to hide."""
    scene = await gathering(server, 1)
    asking = await scene.newcomer()
    await scene.do("event.set_policy", policy_version=1, policy={"membership_auto": False})
    await scene.join(asking)
    await scene.do("invitation.create", people=[{"name": "Grace", "ref": "row 7"}])
    async with running(migrated_url) as other:
        member, admin, applicant = [
            await (await other.connect(client.user)).subscribe(scene.event)
            for client in (scene.members[0], scene.admin, asking)
        ]
        assert "Grace" in json.dumps(admin.state["invitations"])
        assert asking.user in admin.state["requests"]
        for room in (member, applicant):
            assert not room.state.keys() & {"requests", "invitations"}
            assert not room.state["counts"].keys() & {"requests", "invitations"}
            assert "Grace" not in json.dumps(room.state)
