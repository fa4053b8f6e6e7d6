"""What pyproject.toml and constraints.txt promise about what the server is installed with."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.parts import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = {
    (found := Requirement(line)).name.lower(): found for line in PROJECT["project"]["dependencies"]
}
LOCKED = {
    (found := Requirement(line)).name.lower(): found
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
}

#: Below these are known holes, or faults that this server cannot live with.
FLOORS = {
    "asyncpg": "0.31",
    "h11": "0.16",
    "orjson": "3.11.6",
    "redis": "4.5.4",
    "starlette": "1.0.1",
    "uvicorn": "0.54",
    "websockets": "16.1",
}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_a_known_hole_cannot_be_installed(name: str, floor: str) -> None:
    floors = [
        Version(part.version) for part in REQUIREMENTS[name].specifier if part.operator == ">="
    ]
    assert max(floors) >= Version(floor)
    assert Version(version(name)) >= Version(floor)


def test_the_lock_pins_every_requirement_within_its_range() -> None:
    wanted = list(REQUIREMENTS.values())
    wanted += map(Requirement, PROJECT["project"]["optional-dependencies"]["dev"])
    for requirement in wanted:
        [pin] = LOCKED[requirement.name.lower()].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), requirement


def test_the_lock_names_no_place() -> None:
    assert not re.search(r"://|^-", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_no_other_package_has_the_name_of_one_of_ours() -> None:
    ours = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    owners = packages_distributions()
    assert {name: set(owners.get(name, ())) - {"ayes"} for name in ours} == {
        name: set() for name in ours
    }
