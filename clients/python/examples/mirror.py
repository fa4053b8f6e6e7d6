"""Mirrors a room to stdout, a JSON object a line: first the whole of it, then what changes.

    AYES_URL=http://127.0.0.1:8400 AYES_TOKEN=… python mirror.py EVENT | jq .

Whoever reads may be slow: what happens meanwhile becomes one patch, and nothing piles up. A line
without ``patch`` has the ``state`` as a whole; fold the patches (RFC 7396) into it, and you have
the room.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from ayes_client import Client


async def main(event: str) -> None:
    async with Client(os.environ["AYES_URL"], os.environ["AYES_TOKEN"], name="mirror") as client:
        room = await client.subscribe(event)
        async for change in room:
            line: dict[str, object] = {"from": change.from_seq, "seq": change.seq}
            if change.patch is None:
                line |= {"reason": change.reason, "state": room.state}
            else:
                line["patch"] = change.patch
            # In a thread: a reader that does not read holds up this line, not the connection.
            await asyncio.to_thread(print, json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: mirror.py EVENT")
    asyncio.run(main(sys.argv[1]))
