"""The client installed alone, as a bot's author would: two dependencies, and no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from ayes_client.version import VERSION
from tests.parts import ROOT

#: Longest that pip may take; it asks a registry if its cache lacks a package.
PIP_TIMEOUT_S = 240.0
LOOK = """
import importlib.metadata as m, json, sys
import ayes_client
names = sorted(d.metadata["Name"].lower() for d in m.distributions())
files = [str(f) for f in m.files("ayes-client") or ()]
print(json.dumps([names, files]))
"""


@pytest.mark.timeout(PIP_TIMEOUT_S + 30)
def test_an_empty_environment_gets_two_packages_and_none_of_the_servers(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "-q"),
            *("--disable-pip-version-check", "--no-input", "-c", ROOT / "constraints.txt"),
            ROOT / "clients" / "python",
        ],
        check=True,
        timeout=PIP_TIMEOUT_S,
    )

    def run(*arguments: str) -> str:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        found = subprocess.run(
            arguments,
            cwd=tmp_path,
            env=clean,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return found.stdout

    names, files = json.loads(run(str(python), "-c", LOOK))
    assert names == ["ayes-client", "orjson", "websockets"]
    assert "ayes_client/py.typed" in files
    tops = {Path(file).parts[0] for file in files}
    assert tops == {"..", "ayes_client", f"ayes_client-{VERSION}.dist-info"}
    said = run(str(tmp_path / "venv" / "bin" / "ayes-client"), "--version")
    assert said == f"ayes-client {VERSION}\n"
    run(str(python), "-c", "import ayes_client.cli.completion, ayes_client.cli.verbs")


def test_the_servers_wheel_does_not_carry_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    carried = wheel.get("only-include", []) + wheel.get("packages", [])
    assert "server" in carried
    assert not [name for name in carried if name in ("clients", "clients/python")]
