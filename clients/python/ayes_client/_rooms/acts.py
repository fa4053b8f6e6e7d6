"""The commands of a room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol, Unpack, cast

from ayes_client._typed import results
from ayes_client._typed.args import Person
from ayes_client._typed.room_commands import TypedRoomCommands
from ayes_client._typed.room_questions import TypedRoomQuestions
from ayes_client.command import Ack, Command, CommandOptions, Pending
from ayes_client.errors import NotFound
from ayes_client.state import Json, Stance, State

_SINGULAR = {"proposals": "proposal", "assumptions": "assumption", "criteria": "criterion"}


class Sender(Protocol):
    """The methods of the client that a room uses."""

    async def send(self, command: Command) -> Ack:
        """Give a command, and wait for its ack."""

    async def ask(self, question: Json) -> Json:
        """Send a query, and wait for its answer."""

    def _pending_in(self, event: str) -> list[Pending]:
        """Return the commands of ``event`` that its room does not show yet, oldest first."""

    async def _leave(self, room: RoomCommands) -> None:
        """Unsubscribe from ``room``."""


class RoomCommands(TypedRoomCommands, TypedRoomQuestions):
    """The methods of ``Room`` that give commands to its event."""

    _sender: Sender

    @property
    def event(self) -> str:
        """The event's id."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """The room's present state."""
        raise NotImplementedError

    @property
    def seq(self) -> int:
        """The position that ``state`` stands at."""
        raise NotImplementedError

    async def reached(self, seq: int) -> None:
        """Wait until ``state`` holds step ``seq``.

        Raises the error that ended the room, or ``RoomClosed``.
        """
        raise NotImplementedError

    def shown(self, collection: str, id: str, else_: str = "") -> Any:
        """Return a thing of the state by its id.

        Raises ``NotFound`` if it is not shown. ``else_``: what to do then, for its message.
        """
        found = cast(Json, self.state).get(collection, {}).get(id)
        if found is None:
            what = _SINGULAR.get(collection, collection)
            path = "proposal" if what == "proposal" else "target"
            message = f"this room shows no {what} {id}{else_}"
            raise NotFound(message, event=self.event, details={"path": path})
        return found

    async def _caught_up(self) -> None:
        """Wait until the room shows each step of the user's own that was acked, but not long.

        No order is promised between an ack and the step in the room. Raises the error that ended
        the room, or ``RoomClosed``.
        """
        raise NotImplementedError

    async def _seen(self, collection: str, id: str, else_: str = "") -> Any:
        """Return a thing of the state by its id, also one that the user has just made.

        Raises as ``shown`` and ``_caught_up`` do.
        """
        if id not in cast(Json, self.state).get(collection, {}):
            await self._caught_up()
        return self.shown(collection, id, else_)

    async def send(self, command: Command) -> Ack:
        """Give a command to this event, also one of a type that this version does not know.

        Raises the error that refuses it.
        """
        return await self._sender.send(replace(command, event=self.event))

    async def ask(self, question: Json) -> Json:
        """Send a query of any type, and return its answer.

        ``query`` has those that are known. Raises the error that refuses it.
        """
        return await self._sender.ask(question)

    # Commands. Each returns its ack, or raises the error that refuses it.

    async def vote(
        self,
        proposal: str,
        stance: Stance = "agree",
        *,
        revision: int | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.VoteCounted]:
        """Vote on a proposal, in the wording that the room shows or in that of ``revision``.

        Without ``revision``, waits until the room shows the user's own acked steps if it does not
        show the proposal, and raises ``NotFound`` if it is not among them.
        """
        if revision is None:
            unseen = "; pass revision= to vote without seeing it"
            revision = (await self._seen("proposals", proposal, unseen))["revision"]
        other = None if stance == "agree" else stance
        args = _given(proposal=proposal, revision=revision, stance=other)
        return await self.command("vote.cast", args, **options)

    async def retract(
        self, proposal: str, **options: Unpack[CommandOptions]
    ) -> Ack[results.VoteRetracted]:
        """Retract the vote."""
        if proposal not in self.state.get("proposals", {}):
            # A vote given just before waits for the same step.
            await self._caught_up()
        return await self.command("vote.retract", {"proposal": proposal}, **options)

    async def approve(
        self, proposal: str, *, allow_stale: bool = False, **options: Unpack[CommandOptions]
    ) -> Ack[results.ProposalClosed]:
        """Accept a proposal, as an admin."""
        args = _given(proposal=proposal, allow_stale=True if allow_stale else None)
        return await self.command("proposal.accept", args, **options)

    async def reject(
        self, proposal: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Ack[results.ProposalClosed]:
        """Reject a proposal, as an admin."""
        return await self.command(
            "proposal.reject", _given(proposal=proposal, reason=reason), **options
        )

    async def withdraw(
        self, proposal: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Ack[results.ProposalClosed]:
        """Withdraw the user's own proposal."""
        args = _given(proposal=proposal, reason=reason)
        return await self.command("proposal.withdraw", args, **options)

    async def comment(
        self,
        content: str,
        *,
        proposal: str | None = None,
        criterion: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CommentChanged]:
        """Comment on a proposal or a criterion."""
        args = _given(content=content, proposal=proposal, criterion=criterion)
        return await self.command("comment.add", args, **options)

    async def ballot(
        self,
        option: str | list[str],
        criteria: list[str] | None = None,
        *,
        revision: int | None = None,
        base: int | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]:
        """Submit the final ballot: an option, and all criteria, the most important first.

        An approval ballot takes a list of options, a ranked ballot a list with the best first.
        Without ``criteria``, the criteria are not ranked. ``revision``: that of the criteria, if it
        is not the one shown. ``base``: the revision of the ballot that this one replaces, 0 for
        none; raises ``VersionConflict`` if the user has another ballot. Without ``base``, any
        earlier ballot is replaced.
        """
        if revision is None:
            # The user's own steps may have changed the criteria.
            await self._caught_up()
        args: Any = {
            **({"option": option} if isinstance(option, str) else {"options": option}),
            **_given(criterion_order=criteria),
            "criteria_rev": self.state["event"]["criteria_rev"] if revision is None else revision,
            **_given(base=base),
        }
        return await self.command("ballot.submit", args, **options)

    async def approve_all(
        self, *, upto: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack[results.AllDecided]:
        """Let in everyone who had asked by position ``upto``, as an admin.

        Without ``upto``: by the position that the room shows.
        """
        args = _given(upto=self.seq if upto is None else upto)
        return await self.command("membership.approve_all", args, **options)

    async def reject_all(
        self, *, upto: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack[results.AllDecided]:
        """Turn away everyone who had asked by position ``upto``, as an admin.

        Without ``upto``: by the position that the room shows.
        """
        args = _given(upto=self.seq if upto is None else upto)
        return await self.command("membership.reject_all", args, **options)

    async def add_members(
        self, people: Iterable[str | tuple[str, str]], **options: Unpack[CommandOptions]
    ) -> Ack[results.PeopleAdded]:
        """Make users members without a request of theirs, as an admin.

        ``people``: ids of users, or pairs of id and name.
        """
        found: list[Person] = [
            {"user": each} if isinstance(each, str) else {"user": each[0], "name": each[1]}
            for each in people
        ]
        return await self.command("membership.add", {"people": found}, **options)

    async def start(self, **options: Unpack[CommandOptions]) -> Ack[results.EventLed]:
        """Start the event, as an admin."""
        return await self.command("event.start", **options)

    async def pause(self, **options: Unpack[CommandOptions]) -> Ack[results.EventLed]:
        """Pause the event, as an admin."""
        return await self.command("event.pause", **options)

    async def resume(self, **options: Unpack[CommandOptions]) -> Ack[results.EventLed]:
        """Go on after a pause, as an admin."""
        return await self.command("event.resume", **options)

    async def finish(self, **options: Unpack[CommandOptions]) -> Ack[results.EventLed]:
        """Finish the event, as an admin: ``state`` has the results once it has reached the ack."""
        return await self.command("event.finish", **options)


def _given(**args: Any) -> Any:
    return {name: value for name, value in args.items() if value is not None}
