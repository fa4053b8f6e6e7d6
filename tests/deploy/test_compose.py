"""What docker-compose.yml and the Dockerfile promise; there need be no Docker to read them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import fields

from server.settings import Settings
from tests.parts import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def images() -> list[str]:
    """Every image that is fetched."""
    fetched = [service["image"] for service in SERVICES.values() if "build" not in service]
    return fetched + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("image", images())
def test_every_image_is_pinned_to_a_release(image: str) -> None:
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.-]+)?", image)


def test_only_this_machine_reaches_the_ports() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_database_and_redis_are_on_a_network_without_a_way_out() -> None:
    for name in ("postgres", "redis"):
        assert [COMPOSE["networks"][net]["internal"] for net in SERVICES[name]["networks"]] == [
            True
        ]


def test_the_node_waits_for_the_health_of_what_it_needs() -> None:
    for name, condition in SERVICES["node"]["depends_on"].items():
        assert condition == {"condition": "service_healthy"}
        assert SERVICES[name]["healthcheck"]["test"]
    assert "HEALTHCHECK" in DOCKERFILE


def test_it_does_not_start_without_a_secret() -> None:
    assert SERVICES["node"]["environment"]["AYES_AUTH_SECRET"].startswith("${AYES_AUTH_SECRET:?")


def test_every_variable_is_a_setting_of_the_server() -> None:
    known = {f"AYES_{field.name.upper()}" for field in fields(Settings)}
    used = set(SERVICES["node"]["environment"]) | set(re.findall(r"\bAYES_[A-Z_]+", DOCKERFILE))
    assert used <= known


def test_data_is_kept_in_named_volumes() -> None:
    for name in ("node", "postgres"):
        volumes = [volume.split(":")[0] for volume in SERVICES[name]["volumes"]]
        assert set(volumes) <= set(COMPOSE["volumes"])


def test_the_image_runs_as_nobody_special() -> None:
    *_, last = re.findall(r"^(?:USER|FROM) (\S+)", DOCKERFILE, re.MULTILINE)
    assert last.isdecimal()
    assert last != "0"


def test_the_image_is_given_what_it_copies_and_no_more() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    wanted = {name for line in copied for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == wanted


def test_the_image_has_every_package_of_the_server() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    copied = re.findall(r"^COPY (\S+) \1$", DOCKERFILE, re.MULTILINE)
    assert not [part for part in included if not any(Path(part).is_relative_to(c) for c in copied)]
