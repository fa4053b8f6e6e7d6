"""Serving: every resource opened at the start is closed, after any failure in between."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from persistence.database.instance_lock import InstanceLock
from server import process
from server.config.settings import Settings
from server.node import Node
from server.stop_signals import StopSignals
from tests.promises.running import settings_for


async def test_the_listener_is_closed_though_the_start_and_the_stop_fail(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listeners: list[socket.socket] = []
    listen = process.listen

    def listening(settings: Settings) -> socket.socket:
        listeners.append(listen(settings))
        return listeners[-1]

    async def start(self: Node) -> None:
        raise RuntimeError("the start fails")

    async def stop(self: Node) -> None:
        raise RuntimeError("the stop fails")

    monkeypatch.setattr(process, "listen", listening)
    monkeypatch.setattr(Node, "start", start)
    monkeypatch.setattr(Node, "stop", stop)
    settings = settings_for(database_url, data_dir=tmp_path)
    with pytest.raises(RuntimeError, match="the stop fails"):
        await process.serve(settings, database_url, None, StopSignals())
    (listener,) = listeners
    assert listener.fileno() == -1
    # The lock was released as well.
    async with InstanceLock(database_url):
        pass
