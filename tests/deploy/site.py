"""Two nodes with Redis behind a proxy that runs the file that ``deploy/`` has for it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.parts import ROOT, free_port
from tests.promises.running import Address, Killable, killable

#: Longest wait for a proxy to start, and for an effect seen through it.
PATIENCE = 30.0


#: Sockets of one address on one node.
PER_ADDRESS = 40


class Proxy(NamedTuple):
    """The commands that run a proxy and make it read its file again."""

    file: str
    command: Callable[[Path, int], list[str]]
    reload: Callable[[Path, int], list[str] | None]
    """A command, or ``None`` for SIGUSR2 to the process."""
    fit: Callable[[str, Path, int, int], str]
    """The file for this machine: ports of loopback and a place for its pid."""


def _listen(old: str, new: str) -> Callable[[str, Path, int, int], str]:
    return lambda text, place, port, orders: once(text, old, new.format(port=port))


def _fit_nginx(text: str, place: Path, port: int, orders: int) -> str:
    text = once(text, "listen 8080;", f"listen 127.0.0.1:{port};")
    return once(text, "pid /var/run/nginx.pid;", f"pid {place}/nginx.pid;")


def _fit_caddy(text: str, place: Path, port: int, orders: int) -> str:
    text = once(text, ":8080 {", f"http://127.0.0.1:{port} {{")
    return once(text, "\tgrace_period", f"\tadmin 127.0.0.1:{orders}\n\tgrace_period")


PROXIES = {
    "haproxy": Proxy(
        "haproxy/haproxy.cfg",
        lambda file, orders: ["haproxy", "-W", "-db", "-f", str(file)],
        lambda file, orders: None,
        _listen("bind :8080", "bind 127.0.0.1:{port}"),
    ),
    "nginx": Proxy(
        "nginx/nginx.conf",
        lambda file, orders: ["nginx", "-g", "daemon off;", "-c", str(file)],
        lambda file, orders: ["nginx", "-s", "reload", "-c", str(file)],
        _fit_nginx,
    ),
    "caddy": Proxy(
        "caddy/Caddyfile",
        lambda file, orders: ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)],
        lambda file, orders: [
            *("caddy", "reload", "--force", "--adapter", "caddyfile", "--config", str(file)),
            *("--address", f"127.0.0.1:{orders}"),
        ],
        _fit_caddy,
    ),
}


def once(text: str, old: str, new: str) -> str:
    """Replace a part of ``text`` that occurs exactly once."""
    assert text.count(old) == 1, (old, text.count(old))
    return text.replace(old, new)


def fitted(proxy: Proxy, place: Path, port: int, orders: int, nodes: list[int]) -> str:
    """The proxy's file as it stands in the repository, with this machine's ports in it."""
    text = (ROOT / "deploy" / proxy.file).read_text()
    for number, node in enumerate(nodes, 1):
        text = re.sub(rf"\bnode-{number}:8400", f"127.0.0.1:{node}", text)
    return proxy.fit(text, place, port, orders)


class Site:
    """Two nodes behind a proxy."""

    def __init__(self, front: Address, nodes: list[Killable], proxy: Any, reload: Any) -> None:
        self.front = front
        self.nodes = nodes
        self.proxy = proxy
        self.reload = reload

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.front.port}"

    async def sockets(self) -> list[int]:
        """Open sockets of each node, asked past the proxy."""
        found = []
        async with httpx.AsyncClient(trust_env=False) as http:
            for node in self.nodes:
                told = (await http.get(f"http://127.0.0.1:{node.port}/metrics")).text
                found.append(int(float(re.findall(r"^ayes_sockets (\S+)", told, re.M)[0])))
        return found


def say(what: str) -> None:
    """A line of the report."""
    print(f"  {what}", flush=True)  # noqa: T201 - the command's output


@asynccontextmanager
async def site(name: str, database: str, redis: str) -> AsyncIterator[Site]:
    """Everything, started; stopped at the end."""
    proxy = PROXIES[name]
    program = shutil.which(proxy.command(Path(), 0)[0])
    assert program is not None, f"{name} is not on the PATH"
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ayes-proxy-")))
        port, orders = free_port(), free_port()
        settings: dict[str, Any] = {
            "redis_url": redis,
            "public_url": f"http://127.0.0.1:{port}",
            "connections_per_address": PER_ADDRESS,
            "drain_seconds": 5,
        }
        nodes = [
            await stack.enter_async_context(killable(database, place / f"node-{n}", **settings))
            for n in (1, 2)
        ]
        file = place / Path(proxy.file).name
        file.write_text(fitted(proxy, place, port, orders, [node.port for node in nodes]))
        running = await stack.enter_async_context(program_running(proxy.command(file, orders)))

        async def reload() -> None:
            order = proxy.reload(file, orders)
            if order is None:
                running.send_signal(signal.SIGUSR2)
                return
            told = await asyncio.create_subprocess_exec(*order, stderr=asyncio.subprocess.DEVNULL)
            assert await told.wait() == 0

        found = Site(Address(port), nodes, running, reload)
        await until_ready(found)
        yield found


@asynccontextmanager
async def program_running(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running program; ended at the end, by SIGTERM and then by SIGKILL."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def until_ready(found: Site) -> None:
    """Wait until a node answers through the proxy."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(f"{found.url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.1)
