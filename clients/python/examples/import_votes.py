"""Imports votes from a CSV file exactly once, even if it is run twice, or killed and run again.

    AYES_URL=http://127.0.0.1:8400 python import_votes.py votes.csv --tokens tokens.csv

``votes.csv`` has the columns ``user``, ``event``, ``proposal`` and, if wanted, ``revision``.
Without it, the vote is for revision 1. The present revision is not asked for: a row must be the
same command on every run. ``tokens.csv`` has ``user`` and ``token``; or ``votes.csv`` has a column
``token``.

Each vote's id is made from the file's contents and the row's number. So a run remembers nothing: it
sends all votes, and the server gives those that it knows their earlier answers. A changed file is
another import: a vote that was cast before is then "nothing to change".

Exit status: 0 if every vote counts, 3 if some were refused (they are listed).
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import io
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

from ayes_client import Client, Command, id_from
from ayes_client.errors import Closed, NeedsAuth

#: Users who are connected at a time, each with one socket.
SOCKETS = 50
#: Votes of one user that are sent and not answered at a time.
IN_FLIGHT = 100


def commands_of(path: Path) -> tuple[dict[str, list[Command]], dict[str, str]]:
    """The votes of each user, and the tokens in the same file."""
    contents = path.read_bytes()
    digest = hashlib.sha256(contents).digest()
    votes: dict[str, list[Command]] = defaultdict(list)
    tokens: dict[str, str] = {}
    rows = csv.DictReader(io.StringIO(contents.decode("utf-8-sig"), newline=""))
    for number, row in enumerate(rows, 1):
        args = {"proposal": row["proposal"], "revision": int(row.get("revision") or 1)}
        id = id_from("import_votes", digest, str(number))
        votes[row["user"]].append(Command(type="vote.cast", event=row["event"], args=args, id=id))
        if row.get("token"):
            tokens[row["user"]] = row["token"]
    return votes, tokens


def tokens_of(path: Path) -> dict[str, str]:
    """The tokens of a file with the columns ``user`` and ``token``."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {row["user"]: row["token"] for row in csv.DictReader(file)}


async def vote(
    url: str, user: str, token: str, votes: list[Command], in_flight: int, done: Counter[str]
) -> None:
    """Send one user's votes."""
    try:
        async with Client(url, token, name="import_votes") as client:
            async for outcome in client.send_all(votes, in_flight=in_flight):
                if (error := outcome.error) is not None:
                    done["refused"] += 1
                    proposal = outcome.command.args["proposal"]
                    print(f"{user}: {proposal}: {error.code}: {error}", file=sys.stderr)
                elif outcome.ack is not None and outcome.ack.replayed:
                    done["counted before"] += 1
                elif outcome.ack is not None:
                    done["counted" if outcome.ack.applied else "cast before"] += 1
    except (NeedsAuth, Closed) as err:
        done["refused"] += len(votes)
        print(f"{user}: none of {len(votes)} votes: {err.code}: {err}", file=sys.stderr)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("votes", type=Path, metavar="VOTES.CSV")
    parser.add_argument("--tokens", type=Path, metavar="TOKENS.CSV")
    parser.add_argument("--sockets", type=int, default=SOCKETS, metavar="N")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT, metavar="N")
    arguments = parser.parse_args()
    url, in_flight = os.environ["AYES_URL"], arguments.in_flight
    votes, tokens = commands_of(arguments.votes)
    if arguments.tokens is not None:
        tokens |= tokens_of(arguments.tokens)
    if missing := votes.keys() - tokens.keys():
        parser.error(f"no token for {', '.join(sorted(missing)[:5])}")
    done: Counter[str] = Counter()
    room = asyncio.Semaphore(arguments.sockets)

    async def one(user: str) -> None:
        async with room:
            await vote(url, user, tokens[user], votes[user], in_flight, done)

    async with asyncio.TaskGroup() as group:
        for user in votes:
            group.create_task(one(user))
    counts = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
    print(f"{sum(map(len, votes.values()))} votes: {counts}")
    return 3 if done["refused"] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
