"""Programs of the system that tests run, such as Prometheus' own."""

from __future__ import annotations

import shutil


def program(name: str, package: str) -> str:
    """Return the path of a program; raises ``RuntimeError`` if it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError(f"there is no {name}: apt-get install {package}")
    return found
