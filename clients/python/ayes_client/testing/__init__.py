"""For the tests of programs that use this client: a real server, and a room that a test sets.

``pytest_plugins = ["ayes_client.testing.plugin"]`` in ``conftest.py`` brings the fixture ``ayes``.
"""

from ayes_client.testing.fake import FakeRoom
from ayes_client.testing.meeting import Ayes
from ayes_client.testing.server import AyesServer, NoServer

__all__ = ["Ayes", "AyesServer", "FakeRoom", "NoServer"]
