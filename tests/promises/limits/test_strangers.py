"""Users outside an event cost it almost nothing, and cannot fill its journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from handlers.lanes.decide import Submission
from protocol.commands import COMMANDS
from server.services.command_router import STRANGER_BURST
from tests.fixtures.servers import Start
from tests.promises.client import Client, Message
from tests.promises.http_caller import caller
from tests.promises.limits.test_churn import codes
from tests.promises.running import Running
from tests.promises.scenes import Scene, fresh, gathering

WRONG = "WRAN99"


@pytest.fixture(autouse=True)
def time_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is forgotten while a test runs, however busy the machine is."""
    monkeypatch.setattr("server.services.command_router.STRANGER_PER_SECOND", 1e-6)
    monkeypatch.setattr("server.limits.code_guesses.GUESSES_PER_SECOND", 1e-6)


@pytest.fixture
async def rows(migrated_url: str) -> AsyncIterator[Any]:
    """Reads the refusals of a user in an event from the journal."""
    connection = await asyncpg.connect(migrated_url)

    async def refusals(event: str, user: str) -> list[asyncpg.Record]:
        return list(
            await connection.fetch(
                "SELECT * FROM journal WHERE event_id = $1 AND user_id = $2 AND seq IS NULL",
                event,
                user,
            )
        )

    try:
        yield refusals
    finally:
        await connection.close()


async def knock(client: Client, event: str, times: int) -> list[Message]:
    """Votes of a user who is not in the event, all at once."""
    given: dict[str, Any] = {"event": event, "proposal": "p_1", "revision": 1}
    posted = [await client.post("vote.cast", **given) for _ in range(times)]
    return [await client.answered(future) for future in posted]


async def test_every_command_in_every_status_is_answered_to_a_stranger_and_one_put_out(
    server: Running,
) -> None:
    scene = await gathering(server, 1)
    (gone,) = scene.members
    await scene.do("membership.remove", user=gone.user)
    statuses = 4
    for client, why in ((await scene.newcomer(), "not_found"), (gone, "not_a_member")):
        assert set(codes(await knock(client, scene.event, statuses * len(COMMANDS)))) == {why}


async def test_what_a_stranger_leaves_in_the_journal_is_bounded(server: Running, rows: Any) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    found = Counter(codes(await knock(stranger, scene.event, STRANGER_BURST + 40)))
    assert set(found) == {"not_found", "rate_limited"}
    assert STRANGER_BURST <= found["not_found"] <= STRANGER_BURST + 2
    assert len(await rows(scene.event, stranger.user)) == found["not_found"]


async def test_to_a_stranger_an_event_that_is_there_looks_like_one_that_is_not(
    server: Running,
) -> None:
    scene = await gathering(server)
    found = []
    for event in (scene.event, "no-such-event"):
        stranger = await scene.newcomer()
        answers = await knock(stranger, event, STRANGER_BURST + 5)
        found.append([{k: a.get(k) for k in ("code", "retry", "details")} for a in answers])
    assert [one["code"] for one in found[0]] == [one["code"] for one in found[1]]
    assert found[0][0] == found[1][0]


async def test_an_applicant_and_one_who_was_put_out_are_bounded_alike(
    server: Running, rows: Any
) -> None:
    scene = await gathering(server, 1, policy={"membership_auto": False})
    (gone,) = scene.members
    await scene.do("membership.remove", user=gone.user)
    applicant = await scene.newcomer()
    await scene.join(applicant)
    for client in (gone, applicant):
        found = Counter(codes(await knock(client, scene.event, STRANGER_BURST + 40)))
        assert set(found) == {"not_a_member", "rate_limited"}
        # A former member may have one more under way.
        assert STRANGER_BURST <= found["not_a_member"] <= STRANGER_BURST + 2
        assert len(await rows(scene.event, client.user)) == found["not_a_member"]


async def test_no_words_of_a_refused_command_are_kept(server: Running, rows: Any) -> None:
    scene = await gathering(server, 1)
    for client in (scene.admin, await scene.newcomer()):
        before = len(await rows(scene.event, client.user))
        answer = await client.send(
            "ballot.submit",
            id="many-words-01",
            event=scene.event,
            option="none",
            criterion_order=["x" * 60] * 90,
            criteria_rev=1,
        )
        assert answer["type"] == "error"
        kept = await rows(scene.event, client.user)
        assert len(kept) == before + 1
        assert kept[-1]["payload"] is None
        assert sum(len(str(value)) for value in kept[-1].values()) < 1_000


async def test_a_refusal_without_its_words_is_given_again_and_tells_other_words(
    server: Running,
) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    first = await member.refused("forbidden", "event.pause", id="refused-once", event=scene.event)
    again = await member.refused("forbidden", "event.pause", id="refused-once", event=scene.event)
    assert again == first | {"replayed": True}
    await member.refused("id_conflict", "event.start", id="refused-once", event=scene.event)


async def test_to_be_let_in_is_noticed_at_once(server: Running) -> None:
    scene = await gathering(server, policy={"membership_auto": False})
    applicant = await scene.newcomer()
    await scene.join(applicant)
    await knock(applicant, scene.event, STRANGER_BURST + 5)
    await scene.do("membership.approve", user=applicant.user)
    proposal = await scene.propose()
    assert (await scene.vote(applicant, proposal))["type"] == "ack"


async def test_what_comes_right_behind_a_join_is_decided_behind_it(server: Running) -> None:
    scene = await gathering(server)
    proposal = await scene.propose()
    given: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    newcomer = await scene.newcomer()
    posted = [await newcomer.post("membership.join", code=scene.code)]
    posted += [await newcomer.post("vote.cast", **given) for _ in range(40)]
    found = [await newcomer.answered(future) for future in posted]
    assert codes(found) == ["ack"] * 41
    assert [answer["seq"] for answer in found] == sorted(answer["seq"] for answer in found)


async def test_commands_behind_the_making_of_their_event_find_it(server: Running) -> None:
    from server.services.command_router import event_id_of

    maker = await server.connect(fresh("maker"))
    event = event_id_of(maker.user, "making-it-01")
    made = await maker.post("event.create", id="making-it-01", subject="Mine", options=["a"])
    begun = await maker.post("event.start", event=event)
    assert (await maker.answered(made))["type"] == "ack"
    assert (await maker.answered(begun))["type"] == "ack"


async def test_a_member_who_is_known_costs_no_question(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    proposal = await scene.propose()
    await scene.vote(member, proposal)
    asked = []
    look = server.node.commands._event_access._fetch

    async def counted(pairs: Any) -> Any:
        asked.extend(pairs)
        return await look(pairs)

    monkeypatch.setattr(server.node.commands._event_access, "_fetch", counted)
    for _ in range(5):
        await scene.vote(member, proposal)
    assert asked == []
    # A user who was removed is checked again.
    await scene.do("membership.remove", user=member.user)
    for _ in range(2):
        assert (await scene.vote(member, proposal))["code"] == "not_a_member"
    assert asked == [(scene.event, member.user)]


async def test_a_stranger_takes_no_lock_of_an_event_once_told(server: Running) -> None:
    """With any number of sockets and requests, the excess never reaches a lane."""
    scene = await gathering(server)
    stranger = await scene.newcomer()
    await knock(stranger, scene.event, STRANGER_BURST + 5)
    submitted: list[Submission] = []
    submit = server.node.lanes.submit

    def counted(event_id: str, submission: Submission) -> None:
        submitted.append(submission)
        submit(event_id, submission)

    server.node.lanes.submit = counted  # type: ignore[method-assign]
    others = [await server.connect(stranger.user) for _ in range(3)]
    for client in (*others, stranger):
        assert set(codes(await knock(client, scene.event, 20))) == {"rate_limited"}
    async with caller(server, stranger.user) as http:
        answer = await http.post(
            "/commands",
            json={"type": "event.pause", "id": "over-http", "event": scene.event},
        )
    assert answer.json()["code"] == "rate_limited"
    assert submitted == []


async def test_a_link_that_breaks_while_the_sender_is_looked_up_costs_no_command(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane retries, as it does with all its statements."""
    scene = await gathering(server, 1)
    proposal = await scene.propose()

    async def broken(pairs: Any) -> Any:
        raise ConnectionResetError

    monkeypatch.setattr(server.node.commands._event_access, "_fetch", broken)
    assert (await scene.vote(scene.members[0], proposal))["type"] == "ack"


async def test_a_ping_is_answered_though_an_earlier_command_waits(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client pings to test its connection, and would replace it without an answer."""
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    (member,) = scene.members
    look = server.node.commands._event_access._fetch
    may_go_on = asyncio.Event()

    async def slow(pairs: Any) -> Any:
        await may_go_on.wait()
        return await look(pairs)

    monkeypatch.setattr(server.node.commands._event_access, "_fetch", slow)
    vote = await member.post("vote.cast", event=scene.event, proposal=proposal, revision=1)
    assert (await member.ask("ping"))["type"] == "pong"
    assert not vote.done()
    may_go_on.set()
    assert (await member.answered(vote))["type"] == "ack"


# Codes.


async def retired(scene: Scene) -> str:
    """A code that opened the event until now."""
    old = scene.code
    scene.code = (await scene.do("event.rotate_code"))["entrance_code"]
    return old


async def test_a_retired_code_is_a_wrong_guess_like_any_other(server: Running, rows: Any) -> None:
    scene = await gathering(server)
    old = await retired(scene)
    found = []
    for code in (old, WRONG):
        guesser = await server.connect(fresh("guesser"))
        answers = [await guesser.send("membership.join", code=code) for _ in range(25)]
        found.append([{k: v for k, v in a.items() if k != "id"} for a in answers])
        assert await rows(scene.event, guesser.user) == []
    for one, other in zip(*found, strict=True):
        assert {**one, "retry_after_ms": 0} == {**other, "retry_after_ms": 0}
    assert codes(found[0]) == ["not_found"] * 10 + ["rate_limited"] * 15


async def test_the_repeat_of_a_join_gets_its_ack_though_the_code_was_retired(
    server: Running,
) -> None:
    scene = await gathering(server)
    member, old = await scene.newcomer(), scene.code
    first = await member.ack("membership.join", id="joined-once", code=old)
    await retired(scene)
    again = await member.ack("membership.join", id="joined-once", code=old)
    assert again == first | {"replayed": True}
    # A new join with it is refused, even from a member.
    await member.refused("not_found", "membership.join", code=old)
    assert (await member.ack("membership.join", code=scene.code))["applied"] is False


async def test_a_code_that_is_retired_while_the_join_waits_counts_as_a_guess(
    server: Running, migrated_url: str
) -> None:
    scene = await gathering(server)
    guesser = await scene.newcomer()
    blocker = await asyncpg.connect(migrated_url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
            rotated = await scene.admin.post("event.rotate_code", event=scene.event)
            while not server.node.lanes.waiting():
                await asyncio.sleep(0)
            joins = [
                await guesser.post("membership.join", id=f"joining-{n:02}", code=scene.code)
                for n in range(12)
            ]
            while server.node.lanes.waiting() < 13:
                await asyncio.sleep(0.01)
        assert (await scene.admin.answered(rotated))["type"] == "ack"
        found = codes([await guesser.answered(future) for future in joins])
        assert set(found) == {"not_found"}
    finally:
        await blocker.close()
    await guesser.refused("rate_limited", "membership.join", code=WRONG)


async def test_the_retry_of_a_refused_command_of_a_stranger_stays_refused(start: Start) -> None:
    """A final error stays final, even after the user is admitted."""
    server = await start()
    scene = await gathering(server)
    proposal = await scene.propose()
    given: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    newcomer = await scene.newcomer()
    await newcomer.refused("not_found", "vote.cast", id="too-early-01", **given)
    await scene.join(newcomer)
    again = await newcomer.refused("not_found", "vote.cast", id="too-early-01", **given)
    assert again["replayed"] is True
