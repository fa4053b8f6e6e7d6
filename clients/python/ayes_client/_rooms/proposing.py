"""Proposals, as ``room.propose`` makes them."""

from __future__ import annotations

from typing import Unpack

from ayes_client._rooms.acts import RoomCommands
from ayes_client._typed.args import ProposalCreate
from ayes_client._typed.results import ProposalMade
from ayes_client.command import Ack, CommandOptions
from ayes_client.state import Category, Kind, ProposalStatus


class Proposed(str):
    """The id of a proposal that was made, with the ack of its command."""

    __slots__ = ("ack",)
    ack: Ack[ProposalMade]

    @property
    def status(self) -> ProposalStatus:
        """Its status when it was made: ``accepted`` if its author's own vote was enough."""
        return self.ack.result["status"]


class Proposing:
    """``room.propose``: a function for any proposal, and methods for new items.

    The methods return the proposal's id once the room shows it.
    """

    def __init__(self, room: RoomCommands) -> None:
        self._room = room

    async def __call__(
        self,
        kind: Kind,
        content: str | None = None,
        *,
        category: Category = "create",
        target: str | None = None,
        base_version: int | None = None,
        reason: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[ProposalMade]:
        """Propose a change. If left out, ``base_version`` is that of the target in the room."""
        if target is not None and base_version is None:
            kept = "assumptions" if kind == "assumption" else "criteria"
            unseen = "; pass base_version= to propose without seeing it"
            shown = await self._room._seen(kept, target, unseen)
            base_version = shown["conclusion_version" if kind == "conclusion" else "version"]
        args: ProposalCreate = {"kind": kind, "category": category}
        if content is not None:
            args["content"] = content
        if target is not None:
            args["target"] = target
        if base_version is not None:
            args["base_version"] = base_version
        if reason is not None:
            args["reason"] = reason
        return await self._room.command("proposal.create", args, **options)

    async def assumption(
        self, content: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Proposed:
        """Propose a new assumption."""
        return await self._shown(await self("assumption", content, reason=reason, **options))

    async def criterion(
        self, content: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Proposed:
        """Propose a new criterion."""
        return await self._shown(await self("criterion", content, reason=reason, **options))

    async def conclusion(
        self,
        criterion: str,
        content: str,
        *,
        reason: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Proposed:
        """Propose the conclusion of a criterion."""
        ack = await self("conclusion", content, target=criterion, reason=reason, **options)
        return await self._shown(ack)

    async def _shown(self, ack: Ack[ProposalMade]) -> Proposed:
        await self._room.reached(ack.seq)
        made = Proposed(ack.result["proposal"])
        made.ack = ack
        return made
