"""Make an event, its members and its proposals, through the public protocol."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from benchmarks.load import Client, RefusedError
from benchmarks.server_process import HOST, ServerProcess

#: A threshold that no tally here reaches: what is measured is voting, not acceptance.
NEVER = 100_000
#: Connections that carry joins at the same time.
JOINING = 32


@dataclass(frozen=True)
class Gathering:
    """An event in progress with its proposals, all pending."""

    event: str
    code: str
    proposals: list[str]


async def gather(admin: Client, *, members: int, proposals: int = 1) -> Gathering:
    """Make an event for ``members`` who join without approval, and start it."""
    made = await admin.command(
        "event.create",
        subject="Which premises hold",
        max_members=members,
        policy={
            "assumption": {"auto": True, "rule": "count", "threshold": NEVER},
            "membership_auto": True,
        },
    )
    event, code = made["result"]["event"], made["result"]["entrance_code"]
    await admin.command("event.start", event=event)
    acks = await admin.commands(
        [
            {
                "type": "proposal.create",
                "event": event,
                "kind": "assumption",
                "category": "create",
                "content": f"Premise {number} is one that the group should build on",
            }
            for number in range(proposals)
        ]
    )
    return Gathering(event, code, [ack["result"]["proposal"] for ack in acks])


async def join(server: ServerProcess, code: str, users: Sequence[str]) -> None:
    """Let ``users`` join over HTTP, as bots do; raises ``RefusedError``."""
    waiting = list(reversed(users))

    async def carry() -> None:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        try:
            while waiting:
                await _join(reader, writer, server.token(waiting.pop()), code)
        finally:
            writer.close()

    await asyncio.gather(*(carry() for _ in range(min(JOINING, len(users)))))


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, code: str
) -> None:
    command = {"type": "membership.join", "id": f"join-{os.urandom(8).hex()}", "code": code}
    body = orjson.dumps(command)
    writer.write(
        b"POST /v1/commands HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (HOST.encode(), token.encode(), len(body), body)
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    answer = orjson.loads(await reader.readexactly(length))
    if answer["type"] != "ack":
        raise RefusedError(answer)
