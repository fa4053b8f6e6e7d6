"""Fixtures for every test; the real parts they run against are in ``tests/parts.py``."""

pytest_plugins = ("tests.parts",)
