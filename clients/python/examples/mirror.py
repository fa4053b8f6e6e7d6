"""Mirrors a room to stdout, one JSON object a line: first the whole state, then each change.

    AYES_URL=http://127.0.0.1:8400 AYES_TOKEN=… python mirror.py EVENT | jq .

The reader may be slow: the changes meanwhile become one patch, and nothing piles up. A line without
``patch`` has the whole ``state``. Merge the later patches into it (RFC 7396) to have the room.
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
            # In a thread: a reader that stops reading must not block the connection.
            await asyncio.to_thread(print, json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: mirror.py EVENT")
    asyncio.run(main(sys.argv[1]))
