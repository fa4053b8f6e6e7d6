"""The commands of a room."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Protocol, TypedDict, Unpack, cast

from ayes_client.command import Ack, Pending
from ayes_client.errors import NotFound
from ayes_client.state import Json, Stance, State


class CommandOptions(TypedDict, total=False):
    """Options of each command; see ``Client.command``."""

    id: str | None
    not_after: datetime | float | None
    once: bool


class Sender(Protocol):
    """What a room needs of its client."""

    async def command(
        self,
        type: str,
        args: Json | None = None,
        *,
        id: str | None = None,
        not_after: datetime | float | None = None,
        once: bool = False,
    ) -> Ack:
        """Give a command, and wait for its ack."""

    def _pending_in(self, event: str) -> list[Pending]:
        """Return the commands of ``event`` that its room does not show yet, oldest first."""

    async def _leave(self, room: RoomCommands) -> None:
        """Unsubscribe from ``room``."""


class RoomCommands:
    """What ``Room`` has for giving commands to its event."""

    _sender: Sender

    @property
    def event(self) -> str:
        """The event's id."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """What the room shows."""
        raise NotImplementedError

    @property
    def seq(self) -> int:
        """The position that ``state`` stands at."""
        raise NotImplementedError

    def shown(self, collection: str, id: str) -> Any:
        """Return a thing of the state by its id. Raises ``NotFound`` if it is not shown."""
        found = cast(Json, self.state).get(collection, {}).get(id)
        if found is None:
            what = f"this room shows no {id} among its {collection}; name its version yourself"
            raise NotFound(what, event=self.event)
        return found

    # Commands. Each returns its ack, or raises the error that refuses it.

    async def command(
        self, type: str, args: Json | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Give any command to this event."""
        return await self._sender.command(type, {"event": self.event, **(args or {})}, **options)

    async def vote(
        self,
        proposal: str,
        stance: Stance = "agree",
        *,
        revision: int | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack:
        """Vote on a proposal, in the wording that the room shows or in that of ``revision``."""
        if revision is None:
            revision = self.shown("proposals", proposal)["revision"]
        args = {"proposal": proposal, "revision": revision}
        if stance != "agree":
            args["stance"] = stance
        return await self.command("vote.cast", args, **options)

    async def retract(self, proposal: str, **options: Unpack[CommandOptions]) -> Ack:
        """Retract the vote."""
        return await self.command("vote.retract", {"proposal": proposal}, **options)

    async def approve(
        self, proposal: str, *, allow_stale: bool = False, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Accept a proposal, as an admin."""
        args: Json = {"proposal": proposal}
        if allow_stale:
            args["allow_stale"] = True
        return await self.command("proposal.accept", args, **options)

    async def reject(
        self, proposal: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Reject a proposal, as an admin."""
        return await self.command(
            "proposal.reject", _given(proposal=proposal, reason=reason), **options
        )

    async def withdraw(
        self, proposal: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Withdraw the user's own proposal."""
        args = _given(proposal=proposal, reason=reason)
        return await self.command("proposal.withdraw", args, **options)

    async def propose(
        self,
        kind: Literal["assumption", "criterion", "conclusion"],
        content: str | None = None,
        *,
        category: Literal["create", "update", "delete"] = "create",
        target: str | None = None,
        base_version: int | None = None,
        reason: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack:
        """Propose a change. If left out, ``base_version`` is that of the target in the room."""
        if target is not None and base_version is None:
            shown = self.shown("assumptions" if kind == "assumption" else "criteria", target)
            base_version = shown["conclusion_version" if kind == "conclusion" else "version"]
        args = _given(
            kind=kind,
            category=category,
            content=content,
            target=target,
            base_version=base_version,
            reason=reason,
        )
        return await self.command("proposal.create", args, **options)

    async def comment(
        self,
        content: str,
        *,
        proposal: str | None = None,
        criterion: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack:
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
    ) -> Ack:
        """Submit the final ballot: an option, and all criteria, the most important first.

        An approval ballot takes a list of options, and a ranked one a list, best first. Without
        ``criteria``, they are not ranked.
        ``revision``: that of the criteria, if not the one shown. ``base``: the revision of the
        ballot that this one replaces, 0 for none; raises ``VersionConflict`` if another one stands.
        If left out, any earlier ballot is replaced.
        """
        args = {
            **({"option": option} if isinstance(option, str) else {"options": option}),
            **_given(criterion_order=criteria),
            "criteria_rev": self.state["event"]["criteria_rev"] if revision is None else revision,
            **_given(base=base),
        }
        return await self.command("ballot.submit", args, **options)

    async def approve_all(
        self, *, upto: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Let in everyone who had asked by position ``upto``, or by ``seq``, as an admin."""
        args = {"upto": self.seq if upto is None else upto}
        return await self.command("membership.approve_all", args, **options)

    async def reject_all(
        self, *, upto: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Turn away everyone who had asked by position ``upto``, or by ``seq``, as an admin."""
        args = {"upto": self.seq if upto is None else upto}
        return await self.command("membership.reject_all", args, **options)


def _given(**args: Any) -> Json:
    return {name: value for name, value in args.items() if value is not None}
