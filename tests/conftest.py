"""Fixtures for every test; the real parts they run against are in ``tests/parts.py``."""

import math
import signal

import pytest

pytest_plugins = ("tests.parts",)

# A shell starts background jobs with Ctrl-C ignored, which children inherit; the tests end their
# children by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
