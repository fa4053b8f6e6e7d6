"""The pytest plugin: ``pytest_plugins = ["ayes_client.testing.plugin"]`` in ``conftest.py``.

It needs ``pytest`` and ``pytest-asyncio`` (``pip install "ayes-client[testing]"``), and a server to
start: ``ayes`` of this environment, or what ``AYES_BIN`` names.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from ayes_client.testing.meeting import Ayes
from ayes_client.testing.server import AyesServer


@pytest.fixture(scope="session")
def ayes_server() -> Iterator[AyesServer]:
    """One server for all tests of this run, with a database of its own."""
    # These limits are off: a test does in a second what people do in hours.
    lifted = {f"AYES_CHURN_{what}": "0" for what in ("MEMBERSHIP", "VOTES", "COMMENTS")}
    with AyesServer(**lifted) as server:
        yield server


@pytest_asyncio.fixture
async def ayes(ayes_server: AyesServer) -> AsyncIterator[Ayes]:
    """The server with this test's own clients, which end with the test."""
    found = Ayes(ayes_server)
    yield found
    await found.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> None:
    """Let async tests that take ``ayes`` run without a setting of ``asyncio_mode``.

    Tests with a mark of their own, such as one for another loop, are left as they are.
    """
    function = getattr(obj, "__func__", obj)
    if not inspect.iscoroutinefunction(function):
        return
    marks = [*collector.iter_markers(), *getattr(function, "pytestmark", [])]
    if any(mark.name in ("asyncio", "anyio", "trio") for mark in marks):
        return
    if "ayes" in inspect.signature(function).parameters:
        pytest.mark.asyncio(function)
