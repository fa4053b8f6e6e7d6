"""Which Ayes this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def ayes_version() -> str:
    """The installed version."""
    try:
        return version("ayes")
    except PackageNotFoundError:
        return "0"
