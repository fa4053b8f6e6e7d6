"""Outboxes of tests, and what is in them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ayes_client import Command, FileOutbox, Kept


def commands(count: int) -> list[Kept]:
    return [
        Kept(Command(type="vote.cast", event="e", args={"proposal": f"p{number}", "revision": 1}),
             float(number))
        for number in range(count)
    ]  # fmt: skip


@contextmanager
def opened(path: Path) -> Iterator[tuple[FileOutbox, list[Kept]]]:
    """An outbox, and the commands that were in it."""
    outbox = FileOutbox(path)
    found = outbox.open()
    try:
        yield outbox, found
    finally:
        outbox.close()


def nowhere() -> str:
    """An address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def full_disk(descriptor: int) -> None:
    raise OSError(28, "No space left on device")
