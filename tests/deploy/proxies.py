"""The proxies' files, run: two nodes with Redis behind each proxy, and what clients see through it.

    python -m tests.deploy.proxies [haproxy nginx caddy] [--idle SECONDS]

The programs must be on the PATH (Debian has all three); one that is not there is a failure. About a
minute and a half each, most of it the wait for what a timeout too short would cut.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from persistence.database.migrate import upgrade_async
from persistence.embedded.postgres import EmbeddedPostgres
from tests.deploy.site import PATIENCE, PER_ADDRESS, PROXIES, Site, say, site
from tests.deploy.voting import Voting
from tests.parts import RedisServer, folder
from tests.promises.client import Gone
from tests.promises.running import killable, token
from tests.promises.scenes import Scene, fresh, gathering
from tests.server.http.test_metrics import SPELLINGS, asked

#: Longer than the proxies' timeouts, so that only the heartbeat can have kept a line open.
IDLE_SECONDS = 70.0
VOTERS = 12


# The checks


async def upgrades(found: Site) -> Scene:
    """WebSockets pass through to both nodes, and only from permitted pages."""
    scene = await gathering(found.front, 7)
    await scene.watch(*scene.everyone)
    shares = await found.sockets()
    assert min(shares) >= 3, shares
    good = await found.front.open(origin=found.url)
    assert (await good.hello(token("ada")))["type"] == "welcome"
    bad = await found.front.open(origin="https://elsewhere.example")
    assert await bad.gone() == 4505
    await good.leave()
    say(f"WebSocket upgrades: 8 sockets, {shares} on the nodes; Origin checked (4505)")
    return scene


async def votes(found: Site, scene: Scene) -> str:
    """A vote on one node is shown on the other."""
    proposal = await scene.propose()
    acks = [await scene.vote(member, proposal) for member in scene.members]
    for client in scene.everyone:
        await client.rooms[scene.event].reached(acks[-1]["seq"])
    say(f"votes: {len(acks)} acked, seen by all {len(scene.everyone)} on both nodes")
    return proposal


async def hidden(found: Site) -> None:
    """The public cannot read the metrics, however their path is spelled."""
    port = found.front.port
    spellings = ["/metrics", f"http://127.0.0.1:{port}/metrics", *SPELLINGS]
    spellings += [f"http://127.0.0.1:{port}{target}" for target in SPELLINGS]
    for target in spellings:
        for method in ("GET", "POST", "HEAD"):
            answer = await asked(port, target, method)
            assert b"ayes_sockets" not in answer, (target, answer)
            assert answer[9:12] in (b"400", b"404", b"405"), (target, answer[:200])
    async with httpx.AsyncClient(trust_env=False) as http:
        for path in ("/admin", "/admin/main.js", "/v1/admin/node", "/V1/Admin/node"):
            assert (await http.get(f"{found.url}{path}")).status_code == 404, path
        assert (await http.get(f"{found.url}/v1/schema")).status_code == 200
    say(f"/metrics in {len(spellings)} spellings: 404 or 400 outside; /v1/schema 200")


async def addresses(found: Site) -> None:
    """The nodes know the clients' addresses: an address with too many sockets is refused."""
    opened, refused = [], 0
    try:
        for _ in range(2 * PER_ADDRESS + 10):
            socket = await connect(
                found.front.url,
                proxy=None,
                subprotocols=[Subprotocol("ayes.v1")],
                local_addr=("127.0.0.9", 0),
            )
            opened.append(socket)
        await asyncio.sleep(1)
        refused = sum(socket.close_code == 4429 for socket in opened)
        other = await found.front.connect("somebody else")
        await other.leave()
    finally:
        await asyncio.gather(*(socket.close() for socket in opened))
    assert refused == 10, refused
    say(f"X-Forwarded-For: of {len(opened)} sockets of one address {refused} refused, another in")


async def streams(found: Site, scene: Scene, idle: float) -> None:
    """Server-Sent Events arrive as they are sent, and survive a long silence."""
    quiet = scene.members[0]
    headers = {"authorization": f"Bearer {token(scene.admin.user)}"}
    url = f"{found.url}/v1/events/{scene.event}/stream"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=idle + PATIENCE) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        await until_line(lines, "snapshot")
        late = [await one_step(scene, lines) for _ in range(10)]
        began = time.monotonic()
        await asyncio.sleep(idle)
        beats = sum(m["type"] == "heartbeat" for m in quiet.received)
        late.append(await one_step(scene, lines))
        await quiet.rooms[scene.event].reached(scene.admin.rooms[scene.event].seq)
        say(
            f"SSE: a step is there at most {max(late) * 1000:.0f} ms after its ack, unbuffered; "
            f"socket and stream open after {time.monotonic() - began:.0f} s without a vote "
            f"({beats} heartbeats so far)"
        )


async def one_step(scene: Scene, lines: AsyncIterator[str]) -> float:
    """Seconds from an ack to the event in the stream."""
    words = f"words {time.monotonic_ns()}"
    await scene.do("event.update", subject=words)
    acked = time.monotonic()
    await until_line(lines, words)
    return time.monotonic() - acked


async def until_line(lines: AsyncIterator[str], words: str) -> None:
    """Read the stream up to a line with these words."""
    async with asyncio.timeout(PATIENCE):
        async for line in lines:
            if words in line:
                return
    raise AssertionError("the stream ended")


async def drains(found: Site, scene: Scene, proposal: str) -> None:
    """A node drains under load: its clients get a notice, reconnect, and lose nothing."""
    voting = Voting(found.front, scene, proposal)
    await voting.start(VOTERS)
    await asyncio.sleep(1)
    before = await found.sockets()
    status = await found.nodes[0].terminate()
    await asyncio.sleep(1)
    await voting.stop()
    assert status == 0, status
    assert set(voting.codes) == {4001}, voting.codes
    say(
        f"drain: {before[0]} sockets on the node, it ended with 0; {voting.codes[4001]} voters "
        f"were told 4001 and were back within {max(voting.gaps) * 1000:.0f} ms; "
        f"{voting.acks} acks, none lost, none twice"
    )


async def returns(found: Site, database: str, redis: str, stack: AsyncExitStack) -> None:
    """The node is back on its port: new sockets reach it."""
    port = found.nodes[0].port
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ayes-node-")))
    settings: dict[str, Any] = {"redis_url": redis, "public_url": found.url}
    found.nodes[0] = await stack.enter_async_context(
        killable(database, place, port=port, connections_per_address=PER_ADDRESS, **settings)
    )
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while (await found.sockets())[0] < 3:
            await found.front.connect(fresh("newcomer"))
            await asyncio.sleep(0.2)
    say(f"a node that is back gets sockets again, {time.monotonic() - began:.1f} s later")


async def dies(found: Site, scene: Scene, proposal: str) -> None:
    """A node is killed: its sockets end at once, and its clients move to the other node."""
    voting = Voting(found.front, scene, proposal)
    await voting.start(VOTERS)
    await asyncio.sleep(1)
    shares = await found.sockets()
    await found.nodes[1].kill()
    await asyncio.sleep(2)
    await voting.stop()
    assert voting.gaps, "nobody was on the node that died"
    say(
        f"kill -9: {shares} sockets on the nodes, codes {sorted(voting.codes)}; "
        f"{len(voting.gaps)} times a voter was back within "
        f"{max(voting.gaps) * 1000:.0f} ms; {voting.acks} acks, none lost, none twice"
    )


async def reloads(found: Site, scene: Scene) -> None:
    """The proxy reloads its file; return the fate of open sockets. New sockets get in."""
    clients = [await found.front.connect(f"watcher {number}") for number in range(10)]
    await found.reload()
    await asyncio.sleep(3)
    alive = 0
    for client in clients:
        with contextlib.suppress(Gone, AssertionError, WebSocketException):
            await client.request({"type": "ping"})
            alive += 1
    fresh = await found.front.connect("after the reload")
    await fresh.leave()
    say(f"reload: {alive} of {len(clients)} open sockets live on; new ones get in")


async def look(name: str, database: str, redis: str, idle: float) -> None:
    """Run every check on the proxy ``name``."""
    async with AsyncExitStack() as stack, site(name, database, redis) as found:
        scene = await upgrades(found)
        await hidden(found)
        await addresses(found)
        proposal = await votes(found, scene)
        await reloads(found, scene)
        if name == "caddy":
            # Its reload closes the sockets; see the file.
            scene = await upgrades(found)
            proposal = await scene.propose()
        await found.front.connect("bystander")
        calm = await gathering(found.front, 1, started=False)
        await calm.watch(*calm.everyone)
        await streams(found, calm, idle)
        await drains(found, scene, proposal)
        await returns(found, database, redis, stack)
        await dies(found, scene, proposal)


async def run(names: list[str], idle: float) -> None:
    """Check every named proxy in turn, each with a new event in one database."""
    redis = RedisServer()
    with folder() as place:
        postgres = EmbeddedPostgres(place)
        redis.start()
        try:
            url = postgres.start()
            await upgrade_async(url)
            for name in names:
                print(f"{name}:", flush=True)  # noqa: T201 - the command's output
                await look(name, url, redis.url, idle)
        finally:
            redis.stop()
            postgres.stop()


def main() -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.proxies", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PROXY", help=", ".join(PROXIES))
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds of silence")
    given = parser.parse_args()
    if unknown := set(given.names) - set(PROXIES):
        parser.error(f"no such proxy: {', '.join(sorted(unknown))}")
    asyncio.run(run(given.names or list(PROXIES), given.idle))
    return 0


if __name__ == "__main__":
    sys.exit(main())
