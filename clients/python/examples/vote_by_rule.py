"""A bot that agrees with every proposal whose words it likes, and with no other.

    AYES_URL=http://127.0.0.1:8400 AYES_TOKEN=… python vote_by_rule.py EVENT rain umbrella

It votes for a proposal whose text has one of the words, and decides again if the author changes the
text. Each vote's id is made from the event, the proposal and the revision, and is kept in an outbox
before the vote is sent. However often the bot is killed and started, each vote counts once.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from ayes_client import Client, Room, id_from
from ayes_client.errors import EventNotInProgress, ProposalClosed, RevisionChanged
from ayes_client.state import Proposal


def likes(proposal: Proposal, words: list[str]) -> bool:
    """The rule. Put yours here."""
    text = proposal.get("content", "").casefold()
    return any(word.casefold() in text for word in words)


async def decide(room: Room, words: list[str], given: set[str]) -> None:
    """Vote for each shown proposal that the rule likes, and that has no vote of this bot yet."""
    for proposal, shown in list(room.state["proposals"].items()):
        id = id_from("vote_by_rule", room.event, proposal, str(shown["revision"]))
        if shown["status"] != "pending" or id in given or not likes(shown, words):
            continue
        try:
            ack = await room.vote(proposal, revision=shown["revision"], id=id)
        except (ProposalClosed, RevisionChanged, EventNotInProgress) as err:
            # Somebody else was faster. That is no fault, and the room will show what happened.
            print(f"{proposal}: {err}", flush=True)
        else:
            print(f"{proposal}: {ack.result['agree']} of {ack.result['eligible']}", flush=True)
            given.add(id)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("event", metavar="EVENT")
    parser.add_argument("words", nargs="+", metavar="WORD")
    parser.add_argument("--outbox", default="vote_by_rule.outbox", metavar="FILE")
    arguments = parser.parse_args()
    url, token = os.environ["AYES_URL"], os.environ["AYES_TOKEN"]
    async with Client(url, token, name="vote_by_rule", outbox=arguments.outbox) as client:
        room = await client.subscribe(arguments.event)
        given: set[str] = set()
        async for _ in room:
            await decide(room, arguments.words, given)
            if room.state["event"]["status"] == "finished":
                break


if __name__ == "__main__":
    asyncio.run(main())
