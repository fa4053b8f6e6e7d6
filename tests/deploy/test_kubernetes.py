"""The promises of the manifests; scripts/check-deploy validates them by Kubernetes' schemas."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from msgspec.structs import fields

from server.config.settings import Settings
from server.node import FINISH_TIMEOUT_S
from tests.parts import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
#: File → its one object.
MANIFESTS: dict[str, dict[str, Any]] = {
    path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))
}
NODE: dict[str, Any] = MANIFESTS["deployment.yaml"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = NODE["containers"][0]
SETTINGS: dict[str, str] = MANIFESTS["configmap.yaml"]["data"]
LABELS: dict[str, str] = MANIFESTS["deployment.yaml"]["spec"]["template"]["metadata"]["labels"]


def test_what_is_applied_is_everything_but_the_examples() -> None:
    applied = set(MANIFESTS["kustomization.yaml"]["resources"])
    examples = {name for name in MANIFESTS if ".example." in name}
    assert applied | examples | {"kustomization.yaml"} == set(MANIFESTS)
    assert not applied & examples


def test_every_variable_is_a_setting_of_the_server() -> None:
    known = {f"AYES_{field.name.upper()}" for field in fields(Settings)}
    used = set(SETTINGS) | set(MANIFESTS["secret.example.yaml"]["stringData"])
    assert used - {"FORWARDED_ALLOW_IPS"} <= known
    assert all(isinstance(value, str) for value in SETTINGS.values())


def test_the_example_of_a_secret_holds_none() -> None:
    for value in MANIFESTS["secret.example.yaml"]["stringData"].values():
        assert "CHANGE-ME" in value


def test_a_pod_is_given_time_for_the_whole_drain() -> None:
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(SETTINGS["AYES_DRAIN_SECONDS"])
    assert NODE["terminationGracePeriodSeconds"] > before + drain + FINISH_TIMEOUT_S


def test_probes_ask_what_they_are_for() -> None:
    paths = {
        name: CONTAINER[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    # A lost database must not restart a pod, which serves again once the database is back.
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


@pytest.mark.parametrize("name", ["deployment.yaml", "migrate.yaml"])
def test_no_container_has_rights_it_does_not_need(name: str) -> None:
    pod = MANIFESTS[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    user = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    assert str(pod["securityContext"]["runAsUser"]) == user
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_service_links_do_not_write_over_the_settings() -> None:
    # A Service named ayes would put AYES_PORT=tcp://… into every pod.
    assert MANIFESTS["service.yaml"]["metadata"]["name"] == "ayes"
    assert NODE["enableServiceLinks"] is False


def test_everything_speaks_of_the_same_pods() -> None:
    assert MANIFESTS["service.yaml"]["spec"]["selector"] == LABELS
    budget = MANIFESTS["poddisruptionbudget.yaml"]["spec"]
    assert budget["selector"]["matchLabels"] == LABELS
    deployment = MANIFESTS["deployment.yaml"]["spec"]
    assert deployment["selector"]["matchLabels"] == LABELS
    for constraint in NODE["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"] == LABELS
    target = MANIFESTS["horizontalpodautoscaler.yaml"]["spec"]["scaleTargetRef"]
    assert target["name"] == MANIFESTS["deployment.yaml"]["metadata"]["name"]
    job = MANIFESTS["migrate.yaml"]["spec"]["template"]["metadata"]["labels"]
    assert job != LABELS, "the Service would send clients to the Job"


def test_ports_agree() -> None:
    port, _ = CONTAINER["ports"]
    assert str(port["containerPort"]) == SETTINGS["AYES_PORT"]
    assert MANIFESTS["service.yaml"]["spec"]["ports"][0]["targetPort"] == port["name"]


def test_only_the_ingress_controller_and_prometheus_reach_a_pod() -> None:
    policy = MANIFESTS["networkpolicy.yaml"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    for name in ("deployment.yaml", "migrate.yaml"):
        labels = MANIFESTS[name]["spec"]["template"]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    for rule in policy["ingress"]:
        assert rule["ports"]
        for peer in rule["from"]:
            assert peer["namespaceSelector"]["matchLabels"]
    ways = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: rule["ports"]
        for rule in policy["ingress"]
        for peer in rule["from"]
    }
    assert [entry["port"] for entry in ways["monitoring"]] == ["metrics"]
    assert [entry["port"] for entry in ways["ingress-nginx"]] == ["http"]
    ports = {entry["port"] for rule in policy["egress"] for entry in rule["ports"]}
    assert ports == {53, 443, 5432, 6379}


def test_the_metrics_are_not_for_the_public() -> None:
    template = MANIFESTS["deployment.yaml"]["spec"]["template"]
    scraped = template["metadata"]["annotations"]["prometheus.io/port"]
    ports = {
        port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]
    }
    assert SETTINGS["AYES_METRICS_PORT"] == scraped == str(ports["metrics"])
    assert [port["targetPort"] for port in MANIFESTS["service.yaml"]["spec"]["ports"]] == ["http"]
    [rule] = MANIFESTS["ingress.example.yaml"]["spec"]["rules"]
    paths = {path["path"]: path["pathType"] for path in rule["http"]["paths"]}
    assert paths.pop("/") == "Exact"
    assert not any("/metrics".startswith(path) for path in paths)
