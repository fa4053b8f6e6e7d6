"""Dependencies and the versions that the project promises."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions, version
from pathlib import Path

import pytest

from tests.test_house import HOUSE, ROOT


def test_no_dependency_ships_one_of_our_names() -> None:
    """Four generic names at the top: the server is an application, never a library."""
    ours = {*HOUSE, "tests", "web", "benchmarks"}
    taken = []
    for distribution in distributions():
        if distribution.metadata["Name"].lower() == "ayes":
            continue
        tops = {Path(str(file)).parts[0] for file in distribution.files or () if file.parts}
        names = {top.removesuffix(".py") for top in tops}
        if clash := names & ours:
            taken.append(f"{distribution.metadata['Name']}: {sorted(clash)}")
    assert not taken, taken


#: The oldest versions without a known security hole, and with the features that the code needs.
FLOORS = {
    "starlette": (1, 0, 1),
    "uvicorn": (0, 54),
    "websockets": (16, 1),
    "h11": (0, 16),
    "orjson": (3, 11, 6),
    "redis": (4, 5, 4),
    "asyncpg": (0, 31),
    # The first version that refuses an empty key.
    "PyJWT": (2, 13),
}


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_dependencies_are_above_their_floors(name: str) -> None:
    floor = FLOORS[name]
    assert numbers(version(name)) >= floor
    asked = re.search(
        rf'^    "{name}(?:\[[^]]*\])?>=([0-9.]+)',
        (ROOT / "pyproject.toml").read_text(),
        re.MULTILINE,
    )
    assert asked is not None, f"pyproject.toml asks for no floor of {name}"
    assert numbers(asked[1]) >= floor


def numbers(text: str) -> tuple[int, ...]:
    """The release of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def test_this_python_is_one_that_is_promised() -> None:
    assert sys.version_info >= (3, 11)
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
