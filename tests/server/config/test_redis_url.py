"""AYES_REDIS_URL: accepted values, refusals with a reason, and parts that are never shown."""

from __future__ import annotations

import pytest

from server.bus.connection import make_redis
from server.config import loading
from server.config.redis_url import Address, addresses_of, fault_in, is_cluster, shown, url_of

GOOD = [
    "redis://localhost",
    "redis://:secret@10.0.0.1:6380/3",
    "rediss://user:secret@redis.example.org/0?ssl_ca_certs=/etc/ca.pem",
    "unix:///run/redis.sock?db=2",
    "redis+cluster://a:7000",
    "redis+cluster://:secret@a:7000,b:7001,c/0",
    "rediss+cluster://user:secret@a,b?ssl_ca_certs=/etc/ca.pem",
    "redis+cluster://[::1]:7000,[::2]:7000",
]
BAD = {
    "localhost:6379": "begin with",
    "http://localhost": "begin with",
    "redis://a:1,b:2": "several servers",
    "redis://a:port": "no number",
    "redis+cluster://": "no host",
    "redis+cluster://a,:7000": "no host",
    "redis+cluster://a:7000/1": "only 0",
}


@pytest.mark.parametrize("url", GOOD)
def test_what_redis_can_be_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYES_REDIS_URL", url)
    settings = loading.load()
    assert settings.redis_url == url
    assert "secret" not in loading.printable(settings)["AYES_REDIS_URL"]
    assert "secret" not in shown(url)


@pytest.mark.parametrize(("url", "reason"), BAD.items())
def test_what_it_cannot_be_is_refused(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reason in (fault_in(url) or "")
    monkeypatch.setenv("AYES_REDIS_URL", url)
    with pytest.raises(loading.SettingsError, match=f"AYES_REDIS_URL .*{reason}"):
        loading.load()


def test_a_cluster_is_reached_server_by_server_with_the_same_credentials() -> None:
    url = "rediss+cluster://user:secret@a:7000,b/0?ssl_ca_certs=/etc/ca.pem"
    assert is_cluster(url)
    assert addresses_of(url) == [Address("a", 7_000), Address("b", 6_379)]
    one = url_of(url, Address("::1", 7_001))
    assert one == "rediss://user:secret@[::1]:7001/0?ssl_ca_certs=/etc/ca.pem"
    assert not is_cluster(one)


def test_a_client_never_waits_for_ever_and_never_retries_by_itself() -> None:
    made = make_redis("redis://:secret@localhost:6380/3").connection_pool.connection_kwargs
    assert made["db"] == 3
    assert made["password"] == "secret"
    assert made["retry"].get_retries() == 0
    assert 0 < made["socket_timeout"] <= 1
    assert 0 < made["socket_connect_timeout"] <= 1
