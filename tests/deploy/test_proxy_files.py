"""Settings for sockets, streams and drains that each proxy's file must have.

``python -m tests.deploy.proxies`` runs the files; these tests need none of the programs.
"""

from __future__ import annotations

import re

import pytest

from server.config.settings import Settings
from tests.deploy.site import PROXIES, fitted
from tests.parts import ROOT

TEXTS = {name: (ROOT / "deploy" / proxy.file).read_text() for name, proxy in PROXIES.items()}
BEAT = Settings().heartbeat_ms / 1000
#: Heartbeats that may be late before a proxy cuts a line.
BEATS = 2


def bare(text: str) -> str:
    """The text without comments."""
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", PROXIES)
def test_both_nodes_are_named_and_nothing_else(name: str) -> None:
    assert set(re.findall(r"[\w.-]+:8400", bare(TEXTS[name]))) == {"node-1:8400", "node-2:8400"}


@pytest.mark.parametrize("name", PROXIES)
def test_it_can_be_run_on_another_machine(name: str) -> None:
    made = fitted(PROXIES[name], ROOT, 1111, 2222, [3333, 4444])
    assert "127.0.0.1:3333" in made
    assert "127.0.0.1:4444" in made
    assert "127.0.0.1:1111" in made
    assert "8080" not in bare(made)
    assert "8400" not in bare(made)


@pytest.mark.parametrize("name", PROXIES)
def test_braces_and_blocks_are_closed(name: str) -> None:
    text = bare(TEXTS[name])
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("name", PROXIES)
def test_the_metrics_are_not_for_the_public(name: str) -> None:
    assert re.search(r"/metrics.*404|404.*metrics|/metrics \{\s*return 404", bare(TEXTS[name]))


@pytest.mark.parametrize("name", PROXIES)
def test_the_admins_door_is_not_for_the_public(name: str) -> None:
    lines = [line for line in bare(TEXTS[name]).splitlines() if "admin" in line]
    assert any("v1" in line for line in lines)
    blocked = {"haproxy": "return status 404 if", "nginx": "location ~* ^/", "caddy": "@admin path"}
    assert any(blocked[name] in line for line in lines)


def test_haproxy_compares_the_decoded_path() -> None:
    assert re.search(r"return status 404 if \{ path,url_dec -i .*metrics \}", TEXTS["haproxy"])


def test_no_line_is_cut_that_has_a_heartbeat() -> None:
    wanted = {
        "haproxy": ("timeout client", "timeout server", "timeout tunnel"),
        "nginx": ("proxy_read_timeout", "proxy_send_timeout"),
    }
    for name, directives in wanted.items():
        for directive in directives:
            found = re.findall(rf"^\s*{directive}\s+(\d+)s", bare(TEXTS[name]), re.MULTILINE)
            assert found, directive
            assert all(int(seconds) > BEATS * BEAT for seconds in found), directive
    # Caddy has no timeout on copied data, unless one is set.
    assert not re.search(r"read_timeout|write_timeout|stream_timeout", bare(TEXTS["caddy"]))


def test_streams_are_not_gathered() -> None:
    assert re.search(r"/stream\$ \{[^}]*proxy_buffering off;", TEXTS["nginx"])
    assert "flush_interval -1" in TEXTS["caddy"]


def test_the_client_s_own_word_on_its_address_is_not_passed_on() -> None:
    assert "http-request del-header X-Forwarded-For" in TEXTS["haproxy"]
    assert "option forwardfor" in TEXTS["haproxy"]
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in TEXTS["nginx"]
    # Caddy drops the header by itself, unless the peer is a trusted proxy.
    assert "trusted_proxies" not in TEXTS["caddy"]


def test_a_drain_is_left_in_peace() -> None:
    assert "GET /readyz" in TEXTS["haproxy"]
    assert "shutdown-sessions" not in bare(TEXTS["haproxy"])
    assert "health_uri /readyz" in TEXTS["caddy"]
    assert bare(TEXTS["nginx"]).count("max_fails=0") == len(("node-1", "node-2"))


def test_open_sockets_outlive_a_reload_but_not_for_ever() -> None:
    assert "hard-stop-after 60s" in TEXTS["haproxy"]
    assert "worker_shutdown_timeout 60s;" in TEXTS["nginx"]
    assert "grace_period" in TEXTS["caddy"]


def test_no_request_that_was_sent_is_sent_to_another_node() -> None:
    assert "non_idempotent" not in TEXTS["nginx"]
    assert "retry-on" not in bare(TEXTS["haproxy"])
    assert "lb_retry_match" not in bare(TEXTS["caddy"])
