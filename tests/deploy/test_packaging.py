"""The promises of pyproject.toml and constraints.txt about the server's dependencies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from server.page.page import folders
from tests.parts import ROOT

#: Top-level packages of the wheel.
PACKAGES = ("handlers", "persistence", "protocol", "server")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = {
    (found := Requirement(line)).name.lower(): found for line in PROJECT["project"]["dependencies"]
}
LOCKED = {
    (found := Requirement(line)).name.lower(): found
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
}

#: Older versions have known security holes, or faults that this server cannot work around.
FLOORS = {
    "asyncpg": "0.31",
    "h11": "0.16",
    "orjson": "3.11.6",
    "pyjwt": "2.13",
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
    ours = set(PACKAGES)
    owners = packages_distributions()
    assert {name: set(owners.get(name, ())) - {"ayes"} for name in ours} == {
        name: set() for name in ours
    }


def test_a_wheel_brings_the_page_and_what_browsers_need_of_the_sdk(tmp_path: Path) -> None:
    building = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(building, cwd=ROOT, check=True, capture_output=True, timeout=50)
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == set(PACKAGES)
    # Read from the wheel, as the server reads them there: the same number as in the checkout.
    shown = (
        "from server.page.page import folders; print([f.look() or f.names() for f in folders()])"
    )
    found = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    here = folders()
    for folder in here:
        folder.look()
    assert (installed / "server" / "static" / "app" / "index.html").is_file()
    assert found.stdout.strip() == str([folder.names() for folder in here])
