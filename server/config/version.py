"""The version of this installation."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def ayes_version() -> str:
    """Return the installed version, or ``0`` in a checkout that is not installed."""
    try:
        return version("ayes")
    except PackageNotFoundError:
        return "0"
