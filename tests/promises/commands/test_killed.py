"""The server is killed while people vote: no vote is lost, and none counts twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.promises.client import Client, Gone, Message
from tests.promises.running import Address, killable
from tests.promises.scenes import by_count, gathering
from tests.promises.tables import agree_with_the_tables, journal


class Voter:
    """Votes on every proposal, and remembers each command and its answer."""

    def __init__(self, user: str, event: str, proposals: list[str]) -> None:
        self.user = user
        self.sent: dict[str, Message] = {}
        self.answers: dict[str, list[Message]] = {}
        self._todo = [
            ("vote.cast", {"event": event, "proposal": proposal, "revision": 1})
            for proposal in proposals
        ]

    async def vote(self, client: Client) -> None:
        """Keep voting, three in flight, until all is answered or the socket is lost."""
        flying: set[asyncio.Task[None]] = set()
        try:
            while self._todo or flying:
                while self._todo and len(flying) < 3:
                    type_, fields = self._todo.pop(0)
                    id = client.new_id()
                    self.sent[id] = {"type": type_} | fields
                    flying.add(asyncio.create_task(self._one(client, id)))
                done, flying = await asyncio.wait(flying, return_when="FIRST_COMPLETED")
                for task in done:
                    task.result()
        except Gone:
            await asyncio.gather(*flying, return_exceptions=True)

    async def _one(self, client: Client, id: str) -> None:
        answer = await client.send(id=id, **self.sent[id])
        self.answers.setdefault(id, []).append(answer)

    async def resend(self, client: Client) -> int:
        """Send the unanswered commands again, under the same ids; return how many."""
        open_ids = [id for id in self.sent if id not in self.answers]
        await asyncio.gather(*(self._one(client, id) for id in open_ids))
        # And some answered ones: the answer must be the same.
        for id in [id for id in self.sent if id in self.answers and id not in open_ids][:5]:
            await self._one(client, id)
        return len(open_ids)

    def acks(self) -> list[Message]:
        """All acks so far."""
        return [a for given in self.answers.values() for a in given if a["type"] == "ack"]


#: One member makes all the proposals here.
MANY_BY_ONE = {"pending_per_author": 1_000}


async def test_killed_while_people_vote(migrated_url: str, tmp_path: Path) -> None:
    voters: list[Voter] = []
    unanswered = 0
    event = ""
    admin = ""
    proposals: list[str] = []
    for life in range(3):
        async with killable(migrated_url, tmp_path, **MANY_BY_ONE) as server:
            if life == 0:
                scene = await gathering(server, 6, policy=by_count(99))
                event, admin = scene.event, scene.admin.user
                proposals = [await scene.propose() for _ in range(150)]
                voters = [Voter(m.user, event, proposals) for m in scene.members]
            clients = [await server.connect(voter.user) for voter in voters]
            unanswered += sum(
                await asyncio.gather(*(v.resend(c) for v, c in zip(voters, clients, strict=True)))
            )
            voting = asyncio.gather(*(v.vote(c) for v, c in zip(voters, clients, strict=True)))
            if life < 2:
                goal = sum(len(v.answers) for v in voters) + 200
                while sum(len(v.answers) for v in voters) < goal:
                    await asyncio.sleep(0.002)
                await server.kill()
            await voting
            if life == 2:
                room = await (await server.connect(admin)).subscribe(event)
                shown = room.state["proposals"]
                await server.leave()
                assert await server.terminate() == 0
            assert not [line for line in server.log if "Traceback" in line]
    assert unanswered > 0
    assert {shown[proposal]["agree"] for proposal in proposals} == {len(voters)}
    for voter in voters:
        assert len(voter.answers) == len(voter.sent) == len(proposals)
        for answers in voter.answers.values():
            first = answers[0]
            assert first["type"] == "ack"
            assert first["applied"]
            for again in answers[1:]:
                assert again == first | {"replayed": True}
    acks = [ack for voter in voters for ack in voter.acks()]
    await agree_with_the_tables(migrated_url, event, acks)
    lines = await journal(migrated_url, event)
    cast = [
        (line["user_id"], line["command_id"]) for line in lines if line["command"] == "vote.cast"
    ]
    assert sorted(cast) == sorted((v.user, id) for v in voters for id in v.sent)


async def test_stopped_while_people_vote(migrated_url: str, tmp_path: Path) -> None:
    """SIGTERM: exit 0, every commit acked, and every client sent a time to come back."""
    async with killable(migrated_url, tmp_path, drain_seconds=5, **MANY_BY_ONE) as server:
        scene = await gathering(server, 4, policy=by_count(99))
        proposals = [await scene.propose() for _ in range(120)]
        voters = [Voter(m.user, scene.event, proposals) for m in scene.members]
        voting = asyncio.gather(*(v.vote(c) for v, c in zip(voters, scene.members, strict=True)))
        while sum(len(v.answers) for v in voters) < 100:
            await asyncio.sleep(0.002)
        assert await server.terminate() == 0
        await voting
        assert not [line for line in server.log if "Traceback" in line]
        for client in scene.everyone:
            assert client.close_code == 4001
            assert client.of("bye")[0]["code"] == 4001
    acks = [ack for voter in voters for ack in voter.acks()]
    await agree_with_the_tables(migrated_url, scene.event, acks)
    lines = await journal(migrated_url, scene.event)
    committed = {line["command_id"] for line in lines if line["command"] == "vote.cast"}
    assert committed == {ack["id"] for ack in acks}, "what was committed was acked before the bye"
    for voter in voters:
        for answers in voter.answers.values():
            assert answers[0]["type"] == "ack" or answers[0]["code"] == "draining"


async def resumed(server: Address, user: str, event: str, room: Any) -> Any:
    """Enter the room again, on another server."""
    client = await server.connect(user)
    client.adopt(room)
    return await client.resume(event)


async def test_a_restart_is_a_resume_not_a_snapshot(migrated_url: str, tmp_path: Path) -> None:
    async with killable(migrated_url, tmp_path) as server:
        scene = await gathering(server, 1)
        (member,) = scene.members
        room = await member.subscribe(scene.event)
        await member.drop()
        proposal = await scene.propose()
        await scene.do("comment.add", proposal=proposal, content="while away")
        await server.kill()
    async with killable(migrated_url, tmp_path) as server:
        back = await resumed(server, member.user, scene.event, room)
        assert back.starts[-1]["type"] == "resumed"
        assert [c["content"] for c in back.state["comments"].values()] == ["while away"]
        await server.leave()
        await server.terminate()
