import asyncio, os
from ayes_client import Client

async def main() -> None:
    async with Client(os.environ["AYES_URL"], os.environ["AYES_TOKEN"]) as client:
        room = await client.subscribe(os.environ["AYES_EVENT"])
        async for _ in room:
            for id, proposal in room.state["proposals"].items():
                if proposal["status"] == "pending" and id not in room.you["votes"]:
                    await room.vote(id)

asyncio.run(main())
