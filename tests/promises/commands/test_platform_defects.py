"""Known defects of the platform that the brief came from, each by its name; none may be here."""

from __future__ import annotations

import asyncio
import itertools

import asyncpg
import pytest

from tests.fixtures.servers import Start
from tests.promises.client import Client, Message, together
from tests.promises.running import Running
from tests.promises.scenes import Scene, by_count, gathering


async def test_missed_auto_approval_because_votes_were_counted_without_a_lock(
    start: Start,
) -> None:
    """Two transactions that each see only their own vote leave 2 of 2 pending for ever."""
    here, there = await start(), await start()
    scene = await gathering(here, 2, policy=by_count(2))
    one = scene.members[0]
    two = await there.connect(scene.members[1].user)
    for _ in range(15):
        proposal = await scene.propose()
        answers = await together(
            *(
                client.ack("vote.cast", event=scene.event, proposal=proposal, revision=1)
                for client in (one, two)
            )
        )
        assert sorted(a["result"]["status"] for a in answers) == ["accepted", "pending"]
    state = await scene.state()
    assert {p["status"] for p in state["proposals"].values()} == {"accepted"}


async def test_a_vote_after_acceptance(start: Start) -> None:
    here, there = await start(), await start()
    scene = await gathering(here, 3, policy=by_count(1))
    voters = [scene.members[0], *[await there.connect(m.user) for m in scene.members[1:]]]
    for _ in range(10):
        proposal = await scene.propose()
        answers = await together(
            *(
                voter.send("vote.cast", event=scene.event, proposal=proposal, revision=1)
                for voter in voters
            )
        )
        assert sorted(a.get("code", "ack") for a in answers) == [
            *("ack", "proposal_closed", "proposal_closed")
        ]
        assert (await scene.state())["proposals"][proposal]["agree"] == 1


async def test_more_members_than_the_maximum(start: Start) -> None:
    here, there = await start(), await start()
    scene = await gathering(here, 0, max_members=3)
    people = [await (here, there)[n % 2].connect(f"{scene.event}-{n}") for n in range(10)]
    answers = await together(*(p.send("membership.join", code=scene.code) for p in people))
    assert sum(a["type"] == "ack" for a in answers) == 2
    assert (await scene.state())["counts"]["members"] == 3


async def test_an_outbox_cursor_that_skips_a_slower_transaction(
    start: Start, migrated_url: str
) -> None:
    """Positions come from the locked row: a later commit has the later position."""
    here, there = await start(), await start()
    scene = await gathering(here, 1)
    far = await there.connect(scene.admin.user)
    room = await scene.admin.subscribe(scene.event)
    watching = await far.subscribe(scene.event)
    proposal = await scene.propose()

    async def chat(client: Client, count: int) -> list[int]:
        return [
            (await client.ack("comment.add", event=scene.event, proposal=proposal, content="x"))[
                "seq"
            ]
            for _ in range(count)
        ]

    seqs = [s for part in await asyncio.gather(chat(scene.members[0], 20), chat(far, 20))
            for s in part]  # fmt: skip
    top = max(seqs)
    assert sorted(seqs) == list(range(top - 39, top + 1))
    for told in (room, watching):
        await told.reached(top)
        covered = [(diff["from"], diff["seq"]) for diff in told.diffs]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(covered))
        assert len(told.state["comments"]) == 40
    connection = await asyncpg.connect(migrated_url)
    rows = await connection.fetch(
        "SELECT seq, at FROM journal WHERE event_id = $1 AND seq IS NOT NULL ORDER BY seq",
        scene.event,
    )
    await connection.close()
    assert [row["seq"] for row in rows] == list(range(1, top + 1))
    moments = [row["at"] for row in rows]
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("agree", "eligible", "percent"), [(57, 100, 57), (58, 100, 58), (29, 50, 58)]
)
async def test_percent_by_floats(
    server: Running, agree: int, eligible: int, percent: int, migrated_url: str
) -> None:
    """0.58 * 100 is 57.99999999999999; the vote that meets the threshold passes, none before."""
    scene = await gathering(
        server, 1, policy={"assumption": {"auto": True, "rule": "percent", "threshold": percent}}
    )
    (last,) = scene.members
    proposal = await scene.propose()
    # The members are added in the tables: the test is about counting.
    connection = await asyncpg.connect(migrated_url)
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO memberships (event_id, user_id, name, status, role, requested_at,"
            " joined_at, joined_no) SELECT $1, 'm' || n, 'm' || n, 'accepted', 'member', now(),"
            " now(), n + 10 FROM generate_series(1, $2::int) n",
            scene.event,
            eligible - 2,
        )
        await connection.execute(
            "INSERT INTO votes (event_id, proposal_id, user_id, revision, active)"
            " SELECT $1, $2, 'm' || n, 1, true FROM generate_series(1, $3::int) n",
            *(scene.event, proposal, agree - 2),
        )
        await connection.execute(
            "UPDATE proposals SET agree = $3, voters = $3 WHERE event_id = $1 AND id = $2",
            *(scene.event, proposal, agree - 2),
        )
        await connection.execute(
            "UPDATE events SET members = $2, epoch = 'crowd' WHERE id = $1", scene.event, eligible
        )
    await connection.close()
    before = await scene.vote(scene.admin, proposal)
    assert before["result"] == {"agree": agree - 1, "eligible": eligible, "status": "pending"}
    ack = await scene.vote(last, proposal)
    assert ack["result"] == {"agree": agree, "eligible": eligible, "status": "accepted"}


async def test_non_members_can_vote(server: Running) -> None:
    scene = await gathering(server, 1, joins=False, policy=by_count(1))
    proposal = await scene.propose()
    stranger, applicant = await scene.newcomer(), await scene.newcomer()
    await scene.join(applicant)
    former = scene.members[0]
    await former.ack("membership.leave", event=scene.event)
    removed = await scene.member()
    await scene.do("membership.remove", user=removed.user)
    for client, code in (
        (stranger, "not_found"),
        (applicant, "not_a_member"),
        (former, "not_a_member"),
        (removed, "not_a_member"),
    ):
        await client.refused(code, "vote.cast", event=scene.event, proposal=proposal, revision=1)
    state = await scene.state()
    assert (state["proposals"][proposal]["agree"], state["assumptions"]) == (0, {})


async def test_no_idempotency_on_votes(server: Running) -> None:
    scene = await gathering(server, 1, policy=by_count(3))
    (member,) = scene.members
    proposal = await scene.propose()
    vote: Message = {"event": scene.event, "proposal": proposal, "revision": 1}
    first = await member.ack("vote.cast", id="the-one-vote", **vote)
    again = await member.ack("vote.cast", id="the-one-vote", **vote)
    other = await member.ack("vote.cast", **vote)
    assert (first["replayed"], again["replayed"], other["applied"]) == (False, True, False)
    assert (await scene.state())["proposals"][proposal]["agree"] == 1


async def test_a_failed_try_makes_the_retry_do_the_work_and_then_report_an_error(
    server: Running, migrated_url: str
) -> None:
    """The first attempt is cut before it commits; the retry decides it once and says so."""
    scene = await gathering(server, 1, policy=by_count(1))
    (member,) = scene.members
    for number in range(3):
        proposal = await scene.propose()
        blocker = await asyncpg.connect(migrated_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
        vote = await member.post(
            "vote.cast",
            id=f"retried-{number}",
            event=scene.event,
            proposal=proposal,
            revision=1,
        )
        while not await blocker.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)
        await blocker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        await transaction.rollback()
        await blocker.close()
        ack = await member.answered(vote)
        assert (ack["type"], ack["applied"], ack["replayed"]) == ("ack", True, False)
        assert ack["result"]["status"] == "accepted"
        again = await member.ack(
            "vote.cast",
            id=f"retried-{number}",
            event=scene.event,
            proposal=proposal,
            revision=1,
        )
        assert again == ack | {"replayed": True}
    assert len((await scene.state())["assumptions"]) == 3


async def test_edits_to_deleted_items_report_success(server: Running) -> None:
    scene = await gathering(server, 0, started=False, options=["o"], assumptions=["a"],
                            criteria=["c"])  # fmt: skip
    state = await scene.state()
    for kind, collection in (
        ("option", "options"),
        ("assumption", "assumptions"),
        ("criterion", "criteria"),
    ):
        (id,) = state[collection]
        version: Message = {} if kind == "option" else {"version": 1}
        await scene.do(f"{kind}.remove", **{kind: id}, **version)
        error = await scene.admin.refused(
            "target_gone", f"{kind}.edit", event=scene.event, content="new", **{kind: id}, **version
        )
        assert error["details"]["path"] == kind
    after = await scene.state()
    assert (after["options"], after["assumptions"], after["criteria"]) == ({}, {}, {})


async def test_admins_can_decide_in_a_finished_event(server: Running) -> None:
    scene = await gathering(server, 1, options=["o"])
    pending, accepted = await scene.propose(), await scene.propose()
    await scene.do("proposal.accept", proposal=accepted)
    await scene.do("event.finish")
    before = await scene.state()
    for verb in ("accept", "reject", "moderate"):
        await scene.admin.refused(
            "event_finished", f"proposal.{verb}", event=scene.event, proposal=pending
        )
    given: tuple[tuple[str, Message], ...] = (
        ("proposal.revert", {"proposal": accepted}),
        ("event.set_policy", {"policy_version": 1, "policy": by_count(1)}),
        ("event.update", {"max_members": 50}),
        ("event.rotate_code", {}),
        ("membership.remove", {"user": scene.members[0].user}),
        ("membership.approve_all", {}),
        ("event.resume", {}),
        ("event.pause", {}),
        ("event.start", {}),
    )
    for type_, fields in given:
        await scene.admin.refused("event_finished", type_, event=scene.event, **fields)
    assert await scene.state() == before


async def test_changes_that_send_no_event(server: Running) -> None:
    """Every applied change that a client may see is sent."""
    scene: Scene = await gathering(
        server, 1, started=False, options=["o"], assumptions=["a"], criteria=["c"], joins=False
    )
    room, theirs = await scene.watch(scene.admin, scene.members[0])
    (option,), (assumption,), (criterion,) = (
        room.state[name] for name in ("options", "assumptions", "criteria")
    )
    applicant = await scene.newcomer()

    async def shows(ack: Message) -> None:
        await room.reached(ack["seq"])
        (diff,) = (d for d in room.diffs if d["from"] < ack["seq"] <= d["seq"])
        assert ack["applied"]
        assert diff["patch"] != {}, ack

    await shows(await scene.join(applicant))
    before: list[tuple[str, Message]] = [
        ("event.update", {"subject": "Other", "max_members": 9}),
        ("option.add", {"content": "p"}),
        ("option.edit", {"option": option, "content": "q"}),
        ("assumption.edit", {"assumption": assumption, "version": 1, "content": "b"}),
        ("criterion.edit", {"criterion": criterion, "version": 1, "content": "d"}),
        ("event.rotate_code", {}),
        ("event.set_policy", {"policy_version": 1, "policy": by_count(7)}),
        ("membership.approve", {"user": applicant.user}),
        ("membership.set_role", {"user": applicant.user, "role": "admin"}),
        ("event.start", {}),
        ("event.pause", {}),
        ("event.resume", {}),
        ("membership.remove", {"user": applicant.user}),
    ]
    for type_, fields in before:
        await shows(await scene.admin.ack(type_, event=scene.event, **fields))
    assert theirs.open
    await theirs.reached(room.seq)
