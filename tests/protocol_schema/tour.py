"""A long visit to a server: every command, every query, every audience, most errors."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.promises.client import Client, Message, Room
from tests.promises.running import Running, token

PASSES = {"auto": True, "rule": "count", "threshold": 2}
RANKED = {"method": "ranked", "named": True}
POLICY = {"assumption": PASSES, "criterion": PASSES, "conclusion": PASSES}


class Tour:
    """The people of an event, and every answer they got."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.answered: list[tuple[str, Message]] = []
        """The type of a command, and its answer."""
        self.event = ""
        self.code = ""
        self.ada: Client
        self.bob: Client
        self.eve: Client

    @property
    def heard(self) -> list[Message]:
        """Every message that a client got."""
        return [message for client in self.server.clients for message in client.received]

    async def send(self, client: Client, type: str, **fields: Any) -> Message:
        """Send a command about the event; return its answer."""
        answer = await client.send(type, event=self.event, **fields)
        self.answered.append((type, answer))
        return answer

    async def do(self, client: Client, type: str, **fields: Any) -> Message:
        """Send a command that must succeed; return its result."""
        answer = await self.send(client, type, **fields)
        assert answer["type"] == "ack", answer
        result: Message = answer["result"]
        return result

    async def no(self, code: str, client: Client, type: str, **fields: Any) -> None:
        """Send a command that must be refused with ``code``."""
        answer = await self.send(client, type, **fields)
        assert answer.get("code") == code, (code, answer)

    async def free(self, client: Client, type: str, **fields: Any) -> Message:
        """Send a command that names no event."""
        answer = await client.send(type, **fields)
        self.answered.append((type, answer))
        return answer

    async def all(self) -> None:
        """Make the whole visit."""
        self.ada, self.bob, self.eve = [
            await self.server.connect(user, name=user.capitalize())
            for user in ("ada", "bob", "eve")
        ]
        await self.make()
        await self.prepare()
        await self.let_in()
        await self.propose()
        await self.admins_decide()
        await self.talk()
        await self.ask()
        await self.lead()
        await self.misuse()
        await self.end()

    async def make(self) -> None:
        """``event.create``, and strangers who must not learn of the event."""
        made = await self.free(
            self.ada,
            "event.create",
            subject="Where do we eat?",
            policy=POLICY | {"quorum_percent": 1, "proposer_votes": False, "ballot": RANKED},
            options=["The corner place", "The market"],
            assumptions=["We have an hour"],
            criteria=["Near", "Cheap"],
        )
        self.event, self.code = made["result"]["event"], made["result"]["entrance_code"]
        taken = await self.free(
            self.bob, "event.create", subject="Mine", entrance_code=self.code, id="taken-code"
        )
        assert taken["code"] == "version_conflict"
        await self.no("not_found", self.eve, "event.start")
        await self.ada.subscribe(self.event)

    async def prepare(self) -> None:
        """Every change that is made directly before the start."""
        ada = self.ada
        await self.do(
            ada, "event.update", subject="Where do we eat today?", max_members=3,
            starts_at="2126-11-23T08:00:00Z", ends_at="2126-11-23T10:00:00+01:00",
        )  # fmt: skip
        self.code = (await self.do(ada, "event.rotate_code"))["entrance_code"]
        option = (await self.do(ada, "option.add", content="Home"))["option"]
        await self.do(ada, "option.edit", option=option, content="At home")
        await self.do(ada, "option.remove", option=option)
        await self.no("target_gone", ada, "option.edit", option=option, content="Again")
        for kind in ("assumption", "criterion"):
            made = await self.do(ada, f"{kind}.add", content="Short")
            item = {kind: made[kind]}
            await self.do(ada, f"{kind}.edit", **item, version=1, content="Brief")
            await self.no("version_conflict", ada, f"{kind}.remove", **item, version=1)
            await self.do(ada, f"{kind}.remove", **item, version=2)
        await self.do(ada, "event.set_policy", policy_version=1, policy={"ttl_seconds": 3600})
        await self.no("invalid_transition", ada, "event.pause")

    async def let_in(self) -> None:
        """Joining in every way; an applicant watches."""
        ada, bob, eve = self.ada, self.bob, self.eve
        await self.free(bob, "membership.join", code=self.code)
        watching = await bob.subscribe(self.event)
        await self.no("not_a_member", bob, "comment.add", proposal="p", content="Hello?")
        await self.do(bob, "membership.cancel")
        await watching.closed()
        await self.free(bob, "membership.join", code=self.code)
        await bob.subscribe(self.event)
        await self.do(ada, "membership.reject", user="bob")
        await watching.closed()
        await self.no("already_resolved", ada, "membership.approve", user="bob")
        for client in (bob, eve):
            await self.free(client, "membership.join", code=self.code)
            await client.subscribe(self.event)
        await self.do(ada, "membership.approve", user="bob")
        await self.do(ada, "membership.approve_all")
        await self.do(ada, "membership.remove", user="eve")
        await self.do(ada, "membership.add", people=[{"user": "eve", "name": "Eve"}])
        await eve.subscribe(self.event)
        await self.do(ada, "membership.set_role", user="bob", role="admin")
        await bob.until(lambda: "requests" in bob.rooms[self.event].state, "the admins' view")
        await self.do(ada, "membership.set_role", user="bob", role="organiser")
        await self.no("not_eligible", bob, "ballot.clear")
        await self.do(ada, "membership.set_role", user="bob", role="member")
        await self.do(bob, "membership.rename", name="Bob the second")
        past = "2020-01-01T00:00:00Z"
        await self.no("too_late", ada, "event.rotate_code", not_after=past)
        late = await self.server.connect("kim")
        await self.free(late, "membership.join", code=self.code)
        await self.no("event_full", ada, "membership.approve", user="kim")
        await self.do(ada, "membership.reject_all")
        await self.no("last_admin", ada, "membership.leave")
        await self.no("forbidden", bob, "event.start")

    async def propose(self) -> None:
        """Proposals that pass by votes, become stale, are rebased, withdrawn, or expire."""
        ada, bob, eve = self.ada, self.bob, self.eve
        await self.no("event_not_in_progress", bob, "vote.retract", proposal="p")
        await self.do(ada, "event.start")
        made = await self.do(
            bob, "proposal.create", kind="assumption", category="create", content="It may rain",
            reason="The sky",
        )  # fmt: skip
        first = {"proposal": made["proposal"]}
        await self.do(bob, "vote.cast", **first, revision=1)
        await self.do(bob, "vote.retract", **first)
        await self.no("revision_changed", bob, "vote.cast", **first, revision=2)
        await self.do(bob, "vote.cast", **first, revision=1)
        assert (await self.do(eve, "vote.cast", **first, revision=1))["status"] == "accepted"
        await self.no("proposal_closed", ada, "vote.cast", **first, revision=1)
        item = await self.item("assumptions", "It may rain")
        rivals = [
            (
                await self.do(
                    client, "proposal.create", kind="assumption", category="update",
                    target=item, base_version=1, content=f"It will rain, says {client.user}",
                )
            )["proposal"]
            for client in (bob, eve)
        ]  # fmt: skip
        await self.no(
            "limit_reached", bob, "proposal.create", kind="assumption", category="delete",
            target=item, base_version=1,
        )  # fmt: skip
        await self.do(ada, "proposal.accept", proposal=rivals[0])
        await self.no("stale", ada, "proposal.accept", proposal=rivals[1])
        await self.do(eve, "proposal.rebase", proposal=rivals[1], base_version=2)
        await self.do(eve, "proposal.withdraw", proposal=rivals[1], reason="Never mind")
        await self.do(ada, "proposal.revert", proposal=rivals[0], reason="Dry after all")

    async def admins_decide(self) -> None:
        """Rejection, moderation, conclusions, a policy that accepts, a member who leaves."""
        ada, bob, eve = self.ada, self.bob, self.eve
        new = {"kind": "criterion", "category": "create"}
        one, two, three = [
            (await self.do(bob, "proposal.create", **new, content=f"Idea {n}"))["proposal"]
            for n in range(3)
        ]
        await self.do(ada, "proposal.reject", proposal=one, reason="No")
        await self.no("already_resolved", ada, "proposal.accept", proposal=one)
        await self.do(ada, "proposal.moderate", proposal=two)
        await self.do(bob, "vote.cast", proposal=three, revision=1)
        preview = await ada.ask(
            "event.preview_policy", event=self.event, policy={"criterion": {"threshold": 1}}
        )
        assert preview["would_accept"] == [three]
        lowered = await self.do(
            ada, "event.set_policy", policy_version=2, policy={"criterion": {"threshold": 1}}
        )
        assert lowered["accepted"] == [three]
        criterion = await self.item("criteria", "Near")
        concluded = await self.do(
            eve, "proposal.create", kind="conclusion", category="create", target=criterion,
            base_version=0, content="The market is nearest",
        )  # fmt: skip
        await self.do(ada, "proposal.accept", proposal=concluded["proposal"], allow_stale=True)
        await self.vote_on_terms()
        await self.do(eve, "membership.leave")
        await eve.rooms[self.event].closed()
        await self.free(eve, "membership.join", code=self.code)
        await self.do(ada, "membership.approve", user="eve")
        await eve.subscribe(self.event)
        await self.do(ada, "membership.remove", user="eve")
        assert await eve.rooms[self.event].closed() == "removed"

    async def vote_on_terms(self) -> None:
        """Votes with stances, decided at the close, by name; and their voters."""
        ada, bob = self.ada, self.bob
        terms = {
            "stances": ["agree", "against", "abstain"], "votes": "named", "decide": "close",
            "electorate": "opening", "ttl_seconds": 3_600,
            "criterion": {"rule": "share", "share": "2/3", "of": "votes", "threshold": None},
        }  # fmt: skip
        await self.do(ada, "event.set_policy", policy_version=3, policy=terms)
        new = {"kind": "criterion", "category": "create", "content": "Quiet"}
        motion = (await self.do(bob, "proposal.create", **new))["proposal"]
        await self.do(ada, "vote.cast", proposal=motion, revision=1, stance="abstain")
        await self.do(bob, "vote.cast", proposal=motion, revision=1, stance="against")
        await ada.ask("votes.list", event=self.event, proposal=motion, before="zoe", limit=1)
        await ada.ask("turnout.list", event=self.event, proposal=motion, before="zoe", limit=1)
        await self.do(bob, "vote.retract", proposal=motion)
        await self.do(bob, "proposal.withdraw", proposal=motion)

    async def talk(self) -> None:
        """Comments."""
        ada, bob = self.ada, self.bob
        criterion = await self.item("criteria", "Near")
        made = await self.do(bob, "comment.add", criterion=criterion, content="How near?")
        comment = {"comment": made["comment"]}
        await self.no("forbidden", ada, "comment.edit", **comment, version=1, content="Mine")
        await self.do(bob, "comment.edit", **comment, version=1, content="How near is near?")
        await self.do(ada, "comment.remove", **comment)
        await self.do(bob, "comment.add", criterion=criterion, content="Ten minutes?")

    async def ask(self) -> None:
        """Every query, and the outcomes of commands."""
        ada, bob = self.ada, self.bob
        await ada.ask("ping")
        await ada.ask("auth", token=token("ada"))
        await ada.ask("events.list", limit=1)
        await ada.ask("event.overview", code=self.code)
        for name in ("comments.list", "proposals.list", "members.list"):
            await bob.ask(name, event=self.event, before=1_000, limit=2)
        await ada.ask("requests.list", event=self.event, before=1_000, limit=2)
        await ada.ask("turnout.list", event=self.event, ballot=True, limit=2)
        done, refused = "status-of-this", "status-of-that"
        await self.do(bob, "ballot.clear", id=done)
        await self.no("not_found", bob, "vote.retract", id=refused, proposal="p")
        status = await bob.ask(
            "command.status", event=self.event, ids=[done, refused, "never-sent"]
        )
        states = [command["state"] for command in status["commands"]]
        assert states == ["committed", "refused", "absent"]
        again = await self.send(bob, "ballot.clear", id=done)
        assert again["replayed"]
        await self.no("id_conflict", bob, "event.finish", id=done)

    async def lead(self) -> None:
        """The ballot, a pause, the end; a client that resumes."""
        ada, bob = self.ada, self.bob
        room = bob.rooms[self.event]
        ballot = {
            "options": list(room.state["options"]),
            "criterion_order": sorted(room.state["criteria"]),
            "criteria_rev": room.state["event"]["criteria_rev"],
        }
        await self.no("stale_criteria", bob, "ballot.submit", **ballot | {"criteria_rev": 0})
        await self.do(bob, "ballot.submit", **ballot)
        early = await ada.request({"type": "ballots.list", "event": self.event})
        assert early["code"] == "forbidden"
        await bob.ask("ballot.receipt", event=self.event)
        await bob.until(lambda: "ballot" in room.you, "one's own ballot")
        back = await self.server.connect("bob")
        seen = back.adopt(room)
        await back.resume(self.event)
        assert seen.starts[-1]["type"] == "resumed"
        for seq, reason in ((room.seq + 9, "ahead"),):
            await back.ask("subscribe", event=self.event, epoch=room.epoch, seq=seq)
            assert seen.starts[-1]["reason"] == reason
        await back.ask("subscribe", event=self.event, epoch="other", seq=1)
        await back.ask("unsubscribe", event=self.event)
        await self.do(ada, "event.pause")
        await self.do(ada, "event.resume")
        await self.do(ada, "event.finish")
        listed = await ada.ask("ballots.list", event=self.event, limit=1)
        assert [ballot["user"] for ballot in listed["ballots"]] == ["bob"]
        await self.do(ada, "event.reopen")
        invited = await self.do(
            ada, "invitation.create", people=[{"name": "Ben", "ref": "7"}, {"name": "Ben"}]
        )
        await self.do(ada, "invitation.revoke", invitation=invited["invitations"][1]["invitation"])
        await ada.ask("invitations.list", event=self.event, search="7")
        await self.do(ada, "event.finish")
        await self.no("event_finished", bob, "comment.add", criterion="c", content="Late")
        await ada.until(lambda: "results" in ada.rooms[self.event].state, "the results")

    async def misuse(self) -> None:
        """Malformed messages, and messages at the wrong time."""
        bob = self.bob
        before = len(bob.of("error"))
        for frame in ("nonsense", '{"type":"nothing"}', '{"type":"hello"}', "[1]", b"binary"):
            await bob.raw(frame)
        await bob.raw('{"type":"comment.add","id":"x","content":"' + "x" * 70_000 + '"}')
        await bob.saw("error", before + 6)
        for hello in ({"type": "ping"}, {"type": "hello", "token": "no token"}):
            stranger = await self.server.open()
            await stranger.say(hello)
            await stranger.gone()
        late = await self.server.open()
        await late.hello(token("bob", seconds=-5))
        await late.gone()

    async def end(self) -> None:
        """Heartbeats and presence arrive by themselves; then the server stops."""
        await asyncio.gather(self.ada.saw("heartbeat"), self.ada.saw("presence"))
        await self.server.drain()
        await self.ada.gone()

    async def item(self, collection: str, content: str) -> str:
        """The id of the record with ``content``, once it exists."""
        room: Room = self.ada.rooms[self.event]

        def found() -> list[str]:
            return [id for id, item in room.state[collection].items() if item["content"] == content]

        await self.ada.until(lambda: bool(found()), content)
        return found()[0]
