"""A heavy event: as much text as its members can add."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.attacks.askers import AskedAbout
from tests.promises.client import Client
from tests.promises.scenes import Scene

#: A letter of three bytes, so that texts of the permitted length are as large as they can be.
LETTER = "가"
#: Commands of one client under way at once.
TOGETHER = 64


class Size(NamedTuple):
    """How much text a heavy event has."""

    authors: int = 25
    pending: int = 900
    resolved: int = 400
    comments: int = 400
    letters: int = 1_990


class Heavy(NamedTuple):
    """The event, and the users who ask about it in each role."""

    ground: AskedAbout
    users: dict[str, str]
    """``admin``, ``member`` and ``stranger``, each the id of a user."""


async def heavy(scene: Scene, size: Size) -> Heavy:
    """Fill ``scene``'s event; its admin and members must have sockets."""
    text = LETTER * size.letters

    async def write(author: Client, first: int) -> None:
        at = {"event": scene.event}
        share = slice(first, None, len(scene.members))
        for number in range(size.pending + size.resolved)[share]:
            made = await author.result(
                "proposal.create",
                **at,
                kind="assumption",
                category="create",
                content=f"{number} {text}",
                reason=text,
            )
            if number < size.resolved:
                await scene.do("proposal.reject", proposal=made["proposal"])
        about = await scene.propose(author)
        for number in range(size.comments)[share]:
            await author.ack("comment.add", **at, proposal=about, content=f"{number} {text}")

    await asyncio.gather(*(write(author, n) for n, author in enumerate(scene.members)))
    asker = scene.members[0]
    about = await scene.propose(asker)
    own = [f"own-{number:08}" for number in range(256)]
    for number in range(0, len(own), TOGETHER):
        await asyncio.gather(
            *(
                asker.ack("vote.cast", id=id, event=scene.event, proposal=about, revision=1)
                for id in own[number : number + TOGETHER]
            )
        )
    stranger = await scene.newcomer()
    users = {"admin": scene.admin.user, "member": asker.user, "stranger": stranger.user}
    return Heavy(AskedAbout(scene.event, scene.code, own), users)
