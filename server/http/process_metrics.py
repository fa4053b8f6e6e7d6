"""``/metrics`` of several processes behind one port: each series with the label ``process``.

Whichever process is asked, it asks the others over Unix sockets in their private folder and answers
for all. A process that does not answer is left out, and ``ayes_process_up`` says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

log = logging.getLogger("ayes.metrics")

#: Seconds for another process' metrics; then they are left out. Less than Prometheus waits.
PEER_TIMEOUT_S = 2.0
#: Bytes of a process' metrics; beyond that they are left out. Some 100 KB are usual.
MAX_PEER_BYTES = 8 * 1024 * 1024


class ProcessMetrics:
    """Shows this process' metrics to the others, and merges theirs."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        self._folder = folder
        self._number = number
        self._count = count
        self._render: Callable[[], bytes] = bytes
        self._server: asyncio.Server | None = None

    async def start(self, render: Callable[[], bytes]) -> None:
        """Start answering the other processes with ``render()``."""
        self._render = render
        path = self._path(self._number)
        # Left by a process of this number that was killed.
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, path)

    async def stop(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path(self._number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"metrics-{number}.sock"

    async def _connected(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PEER_TIMEOUT_S):
                writer.write(self._render())
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()

    async def render(self) -> bytes:
        """Return the metrics of all processes, in Prometheus's text format."""
        numbers = range(1, self._count + 1)
        texts = await asyncio.gather(*(self._text_of(number) for number in numbers))
        return merged(dict(zip(numbers, texts, strict=True)))

    async def _text_of(self, number: int) -> bytes | None:
        if number == self._number:
            return self._render()
        try:
            async with asyncio.timeout(PEER_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(
                    self._path(number), limit=MAX_PEER_BYTES
                )
                try:
                    text = await reader.read(MAX_PEER_BYTES)
                    return text + await reader.read(MAX_PEER_BYTES - len(text) + 1)
                finally:
                    writer.close()
        except (OSError, TimeoutError) as err:
            log.info("process %d does not show its metrics: %r", number, err)
            return None


def merged(texts: Mapping[int, bytes | None]) -> bytes:
    """Merge Prometheus texts by family, each sample with its process; ``None``: not to be had."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for number, text in texts.items():
        family = ""
        for line in (text or b"").decode().splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                if line not in (known := heads.setdefault(family, [])):
                    known.append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, number))
    lines = [
        "# HELP ayes_process_up 1 if the process showed its metrics; else its series are missing.",
        "# TYPE ayes_process_up gauge",
    ]
    lines += [
        f'ayes_process_up{{process="{number}"}} {float(text is not None)}'
        for number, text in texts.items()
    ]
    for family, head in heads.items():
        lines += [*head, *samples.get(family, [])]
    return "\n".join([*lines, ""]).encode()


def _labelled(sample: str, number: int) -> str:
    """Add the label to one sample; no name of a metric has a brace or a space."""
    name, brace, rest = sample.partition("{")
    label = f'process="{number}"'
    if brace and " " not in name:
        return f"{name}{{{label}{'' if rest.startswith('}') else ','}{rest}"
    name, _, value = sample.partition(" ")
    return f"{name}{{{label}}} {value}"
