"""The promises of docker-compose.yml and the Dockerfile; reading them needs no Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import fields

from server.config.settings import Settings
from server.node import FINISH_TIMEOUT_S
from server.process import GRACEFUL_TIMEOUT_S
from tests.parts import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def images() -> list[str]:
    """Every image that is pulled."""
    fetched = [service["image"] for service in SERVICES.values() if "build" not in service]
    return fetched + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("image", images())
def test_every_image_is_pinned_to_a_release(image: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.-]+)?", image)


NODES = ("node-1", "node-2")


#: Services that start only with their profile.
MONITORING = ("prometheus", "grafana")


def test_only_this_machine_reaches_the_ports_and_only_the_proxy_has_one() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"proxy", *MONITORING}
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)
    for name in MONITORING:
        assert SERVICES[name]["profiles"] == ["monitoring"]


def test_prometheus_scrapes_the_nodes_at_their_own_port_for_metrics() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    port = SERVICES["node-1"]["environment"]["AYES_METRICS_PORT"]
    [job] = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:{port}" for name in NODES]}]
    assert set(SERVICES["node-1"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    for name in MONITORING:
        mounted = [v for v in SERVICES[name]["volumes"] if v.startswith("./")]
        assert all((ROOT / v.split(":")[0]).exists() and v.endswith(":ro") for v in mounted)


def test_the_database_and_redis_are_on_a_network_without_a_way_out() -> None:
    for name in ("postgres", "redis"):
        assert [COMPOSE["networks"][net]["internal"] for net in SERVICES[name]["networks"]] == [
            True
        ]


def test_a_hole_in_the_proxy_does_not_lead_to_the_database() -> None:
    reached = {net for name in ("postgres", "redis") for net in SERVICES[name]["networks"]}
    assert not reached & set(SERVICES["proxy"]["networks"])
    for name in NODES:
        assert reached <= set(SERVICES[name]["networks"])
        assert set(SERVICES["proxy"]["networks"]) <= set(SERVICES[name]["networks"])


def test_the_database_and_redis_ask_for_a_password() -> None:
    database = SERVICES["postgres"]["environment"]
    assert database["POSTGRES_HOST_AUTH_METHOD"] == "scram-sha-256"
    command = SERVICES["redis"]["command"]
    passwords = {
        "AYES_POSTGRES_PASSWORD": database["POSTGRES_PASSWORD"],
        "AYES_REDIS_PASSWORD": command[command.index("--requirepass") + 1],
    }
    for name, given in passwords.items():
        assert given.startswith(f"${{{name}:?"), "an empty password must not do"
    for name in NODES:
        settings = SERVICES[name]["environment"]
        assert f":{passwords['AYES_POSTGRES_PASSWORD']}@postgres" in settings["AYES_DATABASE_URL"]
        assert f":{passwords['AYES_REDIS_PASSWORD']}@redis" in settings["AYES_REDIS_URL"]


def test_the_person_on_call_has_a_door_and_exports_outlive_a_container() -> None:
    assert "exports" in COMPOSE["volumes"]
    for name in NODES:
        settings = SERVICES[name]["environment"]
        assert settings["AYES_ADMIN_TOKEN"].startswith("${AYES_ADMIN_TOKEN:?")
        folder = settings["AYES_EXPORT_DIR"]
        assert f"exports:{folder}" in SERVICES[name]["volumes"]
        assert folder not in SERVICES[name]["tmpfs"]
        # The server's user must be able to write to a new volume.
        assert re.search(rf"install -d -o ayes .*{folder}$", DOCKERFILE, re.M)


def test_the_script_writes_every_secret_once(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "compose-secrets"
    shutil.copy(ROOT / "scripts" / "compose-secrets", script)
    (tmp_path / ".env").write_text("AYES_AUTH_SECRET=kept-as-it-is")
    for _ in range(2):
        subprocess.run(["bash", str(script)], check=True, timeout=10)
    found = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    wanted = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert set(found) == wanted
    assert found.pop("AYES_AUTH_SECRET") == "kept-as-it-is"
    assert all(re.fullmatch(r"[0-9a-f]{64}", secret) for secret in found.values())
    assert len(set(found.values())) == len(found)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_every_package_of_the_image_has_a_hash_and_the_locked_version() -> None:
    """If this fails after a change of constraints.txt: scripts/lock."""
    locked = set((ROOT / "constraints.txt").read_text().splitlines())
    for name in ("requirements.txt", "build-requirements.txt"):
        text = (ROOT / "deploy" / name).read_text()
        packages = re.findall(
            r"^([^ #].*?) \\$((?:\n    --hash=sha256:[0-9a-f]{64}.*)+)", text, re.M
        )
        assert len(packages) == len(re.findall(r"^[^ #]", text, re.M))
        # A package that only builds the wheel is no dependency, so constraints.txt may lack it.
        strays = {line for line, _ in packages} - locked
        assert not strays or name == "build-requirements.txt"
    installs = re.findall(r"pip install (.*?)(?: \\|$)", DOCKERFILE, re.MULTILINE)
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_the_schema_is_made_once_before_any_node() -> None:
    assert SERVICES["migrate"]["command"] == ["migrate"]
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in NODES:
        condition = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"


def test_a_node_waits_for_the_database_and_not_for_redis_to_be_well() -> None:
    for name in NODES:
        needs = SERVICES[name]["depends_on"]
        assert needs["postgres"]["condition"] == "service_healthy"
        assert needs["redis"]["condition"] == "service_started"
    assert SERVICES["proxy"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in NODES
    }


def test_everything_that_runs_on_has_a_health_check() -> None:
    # The nodes have the image's.
    assert "HEALTHCHECK" in DOCKERFILE
    for name in ("proxy", "postgres", "redis", *MONITORING):
        assert SERVICES[name]["healthcheck"]["test"]
    assert not any("healthcheck" in SERVICES[name] for name in NODES)


def test_a_stop_waits_for_the_drain() -> None:
    for name in NODES:
        service = SERVICES[name]
        drain = int(service["environment"]["AYES_DRAIN_SECONDS"])
        assert int(service["stop_grace_period"].removesuffix("s")) >= (
            drain + FINISH_TIMEOUT_S + GRACEFUL_TIMEOUT_S
        )


def test_no_container_of_ours_writes_to_its_image_or_has_a_capability() -> None:
    for name in (*NODES, "migrate", "proxy"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert all(service["read_only"] for service in SERVICES.values())


def test_it_does_not_start_without_a_secret() -> None:
    for name in NODES:
        secret = SERVICES[name]["environment"]["AYES_AUTH_SECRET"]
        assert secret.startswith("${AYES_AUTH_SECRET:?")


def test_every_variable_is_a_setting_of_the_server() -> None:
    known = {f"AYES_{field.name.upper()}" for field in fields(Settings)}
    used = set(re.findall(r"\bAYES_[A-Z_]+", DOCKERFILE))
    used |= set(SERVICES["node-1"]["environment"]) - {"FORWARDED_ALLOW_IPS"}
    assert used <= known


def test_data_is_kept_in_a_named_volume_and_nowhere_else() -> None:
    kept = [
        volume.split(":")[0]
        for name in ("postgres", "prometheus", *NODES)
        for volume in SERVICES[name]["volumes"]
    ]
    assert {name for name in kept if not name.startswith(".")} == set(COMPOSE["volumes"])


def test_the_proxy_reads_the_file_that_is_tested() -> None:
    [mounted] = SERVICES["proxy"]["volumes"]
    assert mounted.startswith("./deploy/haproxy/haproxy.cfg:")
    assert mounted.endswith(":ro")
    text = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
    assert set(re.findall(r"^ +server (\S+) \1:8400$", text, re.MULTILINE)) == set(NODES)
    assert SERVICES["proxy"]["ports"][0].endswith(":8080")
    assert "bind :8080" in text


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
