"""Fixtures for every test; the real parts they run against are in ``tests/parts.py``."""

import functools
import math
import signal
import sys
from importlib.util import find_spec
from typing import Any, cast

import pytest
from httpx._transports import default as transports

pytest_plugins = ("tests.parts",)

# A shell starts background jobs with Ctrl-C ignored, which children inherit; the tests end their
# children by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Each HTTP client would read the web's authorities again, which takes 30 ms, and each of its
# requests would look for sniffio in all folders.
transports.create_ssl_context = functools.cache(  # type: ignore[attr-defined]
    transports.create_ssl_context  # type: ignore[attr-defined]
)
if find_spec("sniffio") is None:
    cast("dict[str, Any]", sys.modules)["sniffio"] = None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let several workers begin with the longest tests, so that none is alone with one at the end.

    They are those with a time limit of their own.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=_time_limit, reverse=True)


def _time_limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    if marker is None:
        return 0.0
    # A limit of 0 is none.
    return float(marker.args[0]) or math.inf
