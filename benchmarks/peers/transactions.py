"""The room of ``room.js`` on FastAPI, SQLAlchemy and PostgreSQL, with one transaction a vote.

python transactions.py postgresql+asyncpg://…

What a careful team would write: the event's row is locked first, the command's id is unique, the
tally is a column, and the ack follows the commit. Promises less than the server: no rights, no hash
chain, no resume. Members who watch get the newest tally every 4 ms.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

EVENT = "0190f0a0-0000-7000-8000-000000000000"
PROPOSAL = "0190f0a0-0000-7000-8000-000000000001"
#: Connections to PostgreSQL. More would only queue for the same row.
POOL = 16
TICK_S = 0.004

metadata = sa.MetaData()
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("agree", sa.Integer, nullable=False),
)
votes = sa.Table(
    "votes",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("active", sa.Boolean, nullable=False),
)
journal = sa.Table(
    "journal",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("command_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("agree", sa.Integer, nullable=False),
)

engine = create_async_engine(sys.argv[1], pool_size=POOL, max_overflow=0)
app = FastAPI()
watching: set[WebSocket] = set()


class Shown:
    """The newest tally, and the one that members were shown."""

    seq = 0
    agree = 0
    shown = 0


async def decide(
    connection: AsyncConnection, user: str, id_: str, active: bool
) -> tuple[int, int, bool]:
    """Decide one vote: its position, the tally, and whether it is a repeat."""
    locked = sa.select(events.c.seq, events.c.agree).where(events.c.id == EVENT).with_for_update()
    seq, agree = (await connection.execute(locked)).one()
    known = sa.select(journal.c.seq, journal.c.agree).where(
        journal.c.event_id == EVENT, journal.c.user_id == user, journal.c.command_id == id_
    )
    if (before := (await connection.execute(known)).first()) is not None:
        return before[0], before[1], True
    own = sa.select(votes.c.active).where(votes.c.event_id == EVENT, votes.c.user_id == user)
    had = (await connection.execute(own)).scalar() or False
    put = insert(votes).values(event_id=EVENT, user_id=user, active=active)
    put = put.on_conflict_do_update(
        index_elements=[votes.c.event_id, votes.c.user_id], set_={"active": active}
    )
    await connection.execute(put)
    seq, agree = seq + 1, agree + active - had
    line = {"event_id": EVENT, "user_id": user, "command_id": id_}
    await connection.execute(
        journal.insert(), line | {"seq": seq, "active": active, "agree": agree}
    )
    await connection.execute(
        events.update().where(events.c.id == EVENT).values(seq=seq, agree=agree)
    )
    return seq, agree, False


async def vote(member: WebSocket, user: str, message: dict[str, Any]) -> None:
    """Answer one vote after its commit."""
    async with engine.begin() as connection:
        seq, agree, repeated = await decide(
            connection, user, message["id"], message["type"] == "vote.cast"
        )
    if seq > Shown.seq:
        Shown.seq, Shown.agree = seq, agree
    ack = {"type": "ack", "id": message["id"], "event": EVENT, "seq": seq, "applied": True}
    await member.send_text(dumps(ack | {"replayed": repeated, "result": {"agree": agree}}))


@app.websocket("/v1/socket")  # type: ignore[untyped-decorator]  # FastAPI is not installed here
async def serve(member: WebSocket) -> None:
    """Serve a member's socket."""
    await member.accept("ayes.v1")
    user = ""
    try:
        while True:
            message = json.loads(await member.receive_text())
            match message["type"]:
                case "hello":
                    claims = message["token"].split(".")[1]
                    user = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
                    await member.send_text('{"type":"welcome"}')
                case "subscribe":
                    watching.add(member)
                    found = {"type": "snapshot", "ref": message["ref"], "seq": Shown.shown}
                    await member.send_text(dumps(found))
                case "unsubscribe":
                    watching.discard(member)
                    await member.send_text(dumps({"type": "unsubscribed", "ref": message["ref"]}))
                case _:
                    await vote(member, user, message)
    except WebSocketDisconnect:
        watching.discard(member)


async def show() -> None:
    """Send the newest tally to all watchers, again and again."""
    while True:
        await asyncio.sleep(TICK_S)
        if Shown.shown == Shown.seq:
            continue
        head = {"type": "diff", "event": EVENT, "epoch": "peer", "from": Shown.shown}
        patch = {"proposals": {PROPOSAL: {"agree": Shown.agree}}}
        diff = dumps(head | {"seq": Shown.seq, "patch": patch})
        Shown.shown = Shown.seq
        for member in tuple(watching):
            await member.send_text(diff)


def dumps(message: dict[str, Any]) -> str:
    """Encode without blanks, as the others do."""
    return json.dumps(message, separators=(",", ":"))


async def main() -> None:
    """Make the tables, and serve until the end."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(events.insert().values(id=EVENT, seq=0, agree=0))
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, loop="uvloop", log_level="error", lifespan="off",
        ws_per_message_deflate=False, backlog=1_024,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(dumps({"port": port, "event": EVENT, "proposal": PROPOSAL}), flush=True)
    ticking = asyncio.create_task(show())
    await serving
    ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
