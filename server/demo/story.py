"""The bots' acts: one decision from its creation to its result, with common mishaps.

It is written as scenes, so that a viewer can follow it. Every wait for a person's pace
is a ``Pace``; every wait for the server is one for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from server.demo.bot import Bot, Message
from server.demo.failure import DemoError
from server.demo.feed import Feed

#: Names of the bots; the first one is the admin.
NAMES = ("Ada", "Ben", "Cleo", "Dev", "Elsa", "Finn", "Gus")
SUBJECT = "Where shall we meet in spring?"
OPTIONS = ("By the sea", "In the mountains", "At home")
#: Each bot's ballot; no option has all votes.
_CHOICES = {"Ada": 1, "Ben": 0, "Cleo": 0, "Dev": 1, "Elsa": 0, "Finn": 0, "Gus": 2}
_POLICY = {
    "assumption": {"rule": "count", "threshold": 3},
    "criterion": {"rule": "count", "threshold": 3},
    "conclusion": {"rule": "percent", "threshold": 60},
}


class Pace:
    """Pauses like a person's, times ``factor``; 0 means no pauses."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor

    async def click(self) -> None:
        """Pause between two commands."""
        await asyncio.sleep(0.42 * self._factor)

    async def read(self) -> None:
        """Pause while a viewer reads a sentence."""
        await asyncio.sleep(1.1 * self._factor)


class Story:
    """The decision; ``play`` runs it once."""

    def __init__(
        self,
        bots: dict[str, Bot],
        feed: Feed,
        pace: Pace,
        scene: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._bots = bots
        self._feed = feed
        self._pace = pace
        self._scene = scene
        """Called with the name of each scene as it begins."""
        self._admin = bots[NAMES[0]]
        self._proposals: dict[str, str] = {}
        """Words → id."""

    async def play(self) -> None:
        """Play all scenes. Raises ``DemoError`` if an answer is wrong."""
        for scene in (
            self.gather,
            self.propose,
            self.votes_and_a_late_one,
            self.a_broken_link,
            self.a_double_click,
            self.an_admin_decides,
            self.a_conclusion,
            self.ballots,
        ):
            self._scene(scene.__name__)
            await scene()

    # The scenes.

    async def gather(self) -> None:
        """Create an event; users ask to join; the admin approves them and starts."""
        admin = self._admin
        self._feed.say(f"{admin.name} opens a decision and hands out its entrance code.")
        made = await self._do(
            admin, "event.create", subject=SUBJECT, options=list(OPTIONS), policy=_POLICY
        )
        await admin.subscribe(made["event"])
        await self._pace.read()
        for name in NAMES[1:]:
            bot = self._bots[name]
            await self._do(bot, "membership.join", code=made["result"]["entrance_code"])
            await bot.subscribe(made["event"])
            await self._pace.click()
        self._feed.say(f"{admin.name} approves all of them, and starts.")
        await self._do(admin, "membership.approve_all")
        await self._pace.click()
        await self._do(admin, "event.start")
        await self._pace.read()

    async def propose(self) -> None:
        """Propose assumptions and criteria."""
        self._feed.say("Members propose. Three votes carry an assumption or a criterion.")
        for name, kind, words in (
            ("Ben", "assumption", "Everybody can take three days off"),
            ("Cleo", "criterion", "All of us get there by train"),
            ("Dev", "criterion", "There is room to work together"),
            ("Gus", "criterion", "We can cook for ourselves"),
        ):
            answer = await self._do(
                self._bots[name], "proposal.create", kind=kind, category="create", content=words
            )
            self._proposals[words] = answer["result"]["proposal"]
            await self._pace.click()

    async def votes_and_a_late_one(self) -> None:
        """The third vote accepts, in the same step; the fourth vote gets that answer."""
        self._feed.say("The vote that reaches the threshold accepts, in one step and one diff.")
        proposal = self._proposals["Everybody can take three days off"]
        for name in ("Ben", "Elsa", "Dev"):
            await self._vote(name, proposal)
        self._feed.say("Cleo clicks a moment too late. The answer names the decision and its step.")
        await self._pace.read()
        late = await self._give(self._bots["Cleo"], self._vote_for(proposal))
        if late["type"] != "error" or late["code"] != "proposal_closed":
            raise DemoError(f"a vote after the decision was answered {late}")
        await self._pace.read()

    async def a_broken_link(self) -> None:
        """A vote whose ack is lost: the same id over a new socket is the same vote."""
        proposal = self._proposals["All of us get there by train"]
        for name in ("Cleo", "Elsa"):
            await self._vote(name, proposal)
        finn = self._bots["Finn"]
        self._feed.say("Finn votes, and his link breaks before the ack arrives.")
        vote = finn.prepare(**self._vote_for(proposal))
        finn.go_deaf()
        before = self._admin.seq
        await finn.send_unheard(vote)
        await self._admin.reach(before + 1)
        await finn.close(abruptly=True)
        await self._pace.read()
        self._feed.say("Finn reconnects and sends the same id again: the same ack, one vote.")
        await finn.open()
        await self._pace.click()
        again = await finn.send(vote)
        self._feed.answer(finn.user, again)
        if again["type"] != "ack" or not again["replayed"]:
            raise DemoError(f"a repeated vote was answered {again}")
        await self._pace.read()

    async def a_double_click(self) -> None:
        """Two ids, one intent: the second changes nothing, and is no error."""
        proposal = self._proposals["There is room to work together"]
        await self._vote("Ben", proposal)
        await self._vote("Gus", self._proposals["We can cook for ourselves"])
        gus = self._bots["Gus"]
        self._feed.say("Gus clicks twice: two ids, one vote.")
        await self._pace.click()
        vote = self._vote_for(proposal)
        await self._give_all(gus, [vote, vote])
        await self._pace.read()

    async def an_admin_decides(self) -> None:
        """A comment, and the admin's approval, which is not a vote."""
        proposal = self._proposals["We can cook for ourselves"]
        elsa = self._bots["Elsa"]
        await self._do(elsa, "comment.add", proposal=proposal, content="It saves us the bill.")
        self._feed.say("Ada accepts one herself. An admin's approval is no vote.")
        await self._pace.read()
        await self._do(self._admin, "proposal.accept", proposal=proposal)
        await self._pace.click()
        await self._vote("Elsa", self._proposals["There is room to work together"])

    async def a_conclusion(self) -> None:
        """Sixty percent of the members, counted in whole numbers."""
        self._feed.say("A conclusion needs 60 percent: five of seven.")
        dev = self._bots["Dev"]
        criteria = dev.state["criteria"]
        target = next(id for id, item in criteria.items() if "train" in item["content"])
        answer = await self._do(
            dev,
            "proposal.create",
            kind="conclusion",
            category="create",
            target=target,
            base_version=criteria[target]["conclusion_version"],
            content="The sea, by one change of trains",
        )
        await self._pace.click()
        for name in ("Dev", "Ben", "Cleo", "Elsa", "Finn"):
            await self._vote(name, answer["result"]["proposal"])
        await self._pace.click()

    async def ballots(self) -> None:
        """Every member's ballot, and the result with the last step."""
        self._feed.say("The final ballot: one option each, and the criteria by weight.")
        await self._pace.click()
        state = self._admin.state
        options = sorted(state["options"], key=lambda id: state["options"][id]["position"])
        for bot in self._bots.values():
            await self._do(
                bot,
                "ballot.submit",
                option=options[_CHOICES[bot.name]],
                criterion_order=sorted(state["criteria"]),
                criteria_rev=state["event"]["criteria_rev"],
            )
            await self._pace.click()
        await self._do(self._admin, "event.finish")
        self._feed.say(f"{self._admin.name} finishes: the result comes with the last diff.")
        await self._pace.read()

    # Acts.

    async def _do(self, bot: Bot, type: str, **fields: Any) -> Message:
        """Send a command that must be accepted; return its ack once the bot's room shows it."""
        answer = await self._give(bot, {"type": type, **fields})
        if answer["type"] != "ack":
            raise DemoError(f"{type} of {bot.name} was refused: {answer['code']}")
        return answer

    async def _give(self, bot: Bot, command: Message) -> Message:
        (answer,) = await self._give_all(bot, [command])
        return answer

    async def _give_all(self, bot: Bot, commands: Sequence[Message]) -> list[Message]:
        """Send commands together; return their answers once both rooms show them.

        No order is promised between an ack and the diff that shows it, and the picture is drawn
        from the admin's room.
        """
        answers = await asyncio.gather(*(bot.command(**command) for command in commands))
        for answer in answers:
            self._feed.answer(bot.user, answer)
        acked = [answer["seq"] for answer in answers if answer["type"] == "ack"]
        if acked and bot.event:
            await bot.reach(max(acked))
            await self._admin.reach(max(acked))
        return answers

    async def _vote(self, name: str, proposal: str) -> None:
        bot = self._bots[name]
        await self._do(bot, **self._vote_for(proposal))
        await self._pace.click()

    def _vote_for(self, proposal: str) -> Message:
        revision = self._admin.state["proposals"][proposal]["revision"]
        return {"type": "vote.cast", "proposal": proposal, "revision": revision}
