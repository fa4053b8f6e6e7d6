"""Cross-site WebSocket hijacking: pages that may open a socket."""

from __future__ import annotations

import itertools
import socket
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from server.config import loading
from server.config.loading import SettingsError
from server.config.settings import Settings
from server.identity.origins import Origins
from tests.fixtures.servers import Start

SETTINGS = Settings(
    host="127.0.0.1",
    public_url="https://Vote.Example.org:443/app/",
    allowed_origins=(
        "https://app.example.org",
        "http://localhost:3000",
        "https://xn--bcher-kva.example:8443",
        "https://bürger.example",
        "capacitor://localhost",
    ),
)
SCOPE = {"type": "websocket", "server": ("127.0.0.1", 8401), "headers": []}

EVERYWHERE = "0.0.0.0"  # noqa: S104 - not listened on here

ALLOWED = [
    "https://vote.example.org",
    "https://app.example.org",
    "http://localhost:3000",
    "https://xn--bcher-kva.example:8443",
    "https://xn--brger-kva.example",
    "capacitor://localhost",
    "http://127.0.0.1:8401",
    "http://localhost:8401",
    "http://[::1]:8401",
]
OTHERS = [
    # No origin, in every spelling
    *("", " ", "null", "Null", "NULL", "undefined", "*", "https://", "http://", "//", "file://"),
    *("about:blank", "data:text/html", "blob:https://app.example.org/1", "javascript:1"),
    *("chrome-extension://abcdefghijklmnop", "moz-extension://app.example.org"),
    *("capacitor://localhost:80", "ionic://localhost", "capacitor://app.example.org"),
    # Without scheme or host, or with additional parts
    *("app.example.org", "vote.example.org", "localhost:3000", "127.0.0.1:8401", "localhost"),
    *("//app.example.org", "https:app.example.org", "https:/app.example.org"),
    # Other scripts whose letters look alike or fold together
    *("https://\u0430pp.example.org", "https://app.ex\u0430mple.org", "https://app。example.org"),
    *("https://app.example.org", "https://app%2eexample.org", "https://ápp.example.org"),
    *("https://bürger.example", "https://buerger.example", "https://xn--app-.example.org"),
    *("https://bücher.example:8443", "https://xn--bcher-kva.example", "https://xn--brger-kva"),
    # Other spellings of an address
    *("http://127.1:8401", "http://2130706433:8401", "http://0x7f000001:8401"),
    *("http://127.0.0.2:8401", "http://0.0.0.0:8401", "http://0177.0.0.1:8401"),
    *("http://[::ffff:127.0.0.1]:8401", "http://[0:0:0:0:0:0:0:1]:8401", "http://::1:8401"),
    *("http://[::]:8401", "http://127.0.0.1.:8401", "http://127.0.0.1.nip.io:8401"),
    # Two in one header
    "https://app.example.org https://evil.example",
    "https://evil.example https://app.example.org",
    "https://app.example.org, https://evil.example",
    "https://app.example.org,https://app.example.org",
]


def near(origin: str) -> list[str]:
    """Origins with which an attacker would imitate ``origin``."""
    scheme, _, host = origin.partition("://")
    bare = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    other = "http" if scheme == "https" else "https"
    return [
        f"{other}://{host}",
        f"ws://{host}",
        f"{scheme.upper()}://{host}",
        f"{scheme}://{host.swapcase()}" if host.swapcase() != host else f"{scheme}://{host}a",
        f"{origin}/",
        f"{origin}/path",
        f"{origin}?query",
        f"{origin}#fragment",
        f"{origin}.",
        f"{scheme}://{bare}.:8443",
        f"{scheme}://{bare}:65536",
        f"{scheme}://{bare}:0",
        f"{scheme}://{bare}:443443",
        f"{scheme}://{bare}:",
        f"{origin}.evil.example",
        f"{scheme}://{bare}.evil.example:8443",
        f"{scheme}://evil{host}",
        f"{scheme}://evil.{host}",
        f"{scheme}://evil-{host}",
        f"{scheme}://{host}@evil.example",
        f"{scheme}://user@{host}",
        f"{scheme}://user:password@{host}",
        f"{scheme}://@{host}",
        f"{scheme}://evil.example/{host}",
        f"{scheme}://evil.example?{origin}",
        f"{scheme}://evil.example#{origin}",
        f"{scheme}://evil.example\\@{host}",
        f" {origin}",
        f"{origin} ",
        f"{origin}\t",
        f"{origin}\0",
        f"{scheme}:///{host}",
        f"{scheme}://{host}\u200b",
    ]


REFUSED = sorted({*OTHERS, *itertools.chain.from_iterable(near(o) for o in ALLOWED)} - {*ALLOWED})


def test_no_origin_of_two_hundred_is_judged_wrong() -> None:
    assert len(REFUSED) + len(ALLOWED) >= 200
    wrong = [origin for origin in REFUSED if Origins(SETTINGS).allow(origin, SCOPE)]
    wrong += [origin for origin in ALLOWED if not Origins(SETTINGS).allow(origin, SCOPE)]
    assert wrong == []


def test_a_request_without_an_origin_is_no_browser() -> None:
    assert Origins(SETTINGS).allow(None, SCOPE)


@pytest.mark.parametrize(
    ("host", "port", "own", "not_own"),
    [
        ("192.0.2.7", 8400, ["http://192.0.2.7:8400"], ["http://localhost:8400"]),
        ("192.0.2.7", 80, ["http://192.0.2.7"], ["http://192.0.2.7:80", "http://192.0.2.7:8400"]),
        ("2001:db8::1", 8400, ["http://[2001:db8::1]:8400"], ["http://2001:db8::1:8400"]),
        ("Vote.local", 8400, ["http://vote.local:8400"], ["http://Vote.local:8400"]),
        ("0.0.0.0", 8400, [], ["http://0.0.0.0:8400", "http://localhost:8400"]),  # noqa: S104
        ("::", 8400, [], ["http://[::]:8400", "http://127.0.0.1:8400"]),
        ("", 8400, [], ["http://:8400", "http://", "http://localhost:8400"]),
    ],
)
def test_the_server_s_own_address_is_what_it_listens_on(
    host: str, port: int, own: list[str], not_own: list[str]
) -> None:
    scope = {"type": "websocket", "server": ("10.0.0.1", port), "headers": []}
    settings = Settings(host=host)
    assert [origin for origin in own if not Origins(settings).allow(origin, scope)] == []
    assert [origin for origin in not_own if Origins(settings).allow(origin, scope)] == []


@pytest.mark.parametrize(
    "listed",
    [
        *("*", "null", "example.org", "https://*.example.org", "https://", "https://example.org/x"),
        *("https://user@example.org", "https://example.org:port", "https://[::1"),
    ],
)
def test_what_is_no_origin_cannot_be_listed(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYES_ALLOWED_ORIGINS", f"https://good.example,{listed}")
    with pytest.raises(SettingsError, match="AYES_ALLOWED_ORIGINS"):
        loading.load()


async def test_another_origin_is_closed_with_4505_and_nothing_is_read(start: Start) -> None:
    server = await start(allowed_origins=("https://app.example.org",))
    stranger = await server.open(origin="https://app.example.org.evil.example")
    assert await stranger.gone() == 4505
    assert stranger.received == []
    for origin in ("https://app.example.org", f"http://localhost:{server.port}"):
        await server.connect("ada", origin=origin)


async def test_two_origins_are_none(start: Start) -> None:
    server = await start(allowed_origins=("https://app.example.org",))
    with pytest.raises(InvalidStatus) as refused:
        await server.open(
            origin="https://evil.example", headers={"Origin": "https://app.example.org"}
        )
    assert refused.value.response.status_code == 400


# Listening on all addresses


def asked(host: str) -> dict[str, Any]:
    """A request that was sent to ``host``."""
    return SCOPE | {"headers": [(b"host", host.encode("latin-1"))]}


@pytest.mark.parametrize("listening", [EVERYWHERE, "::", ""])
def test_an_address_that_nobody_else_can_make_point_here_is_its_own(listening: str) -> None:
    origins = Origins(Settings(host=listening))
    name = socket.gethostname().lower().removesuffix(".local")
    for host in (
        *("127.0.0.1:8401", "192.168.1.5:8401", "10.0.0.7", "[::1]:8401", "[fe80::1]"),
        *("localhost:8401", "localhost", f"{name}:8401", f"{name}.local"),
    ):
        assert origins.allow(f"http://{host}", asked(host)), host
        assert f"http://{host}" in origins.own(asked(host))
    assert origins.refused == 0


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        # Names that an attacker's DNS resolves to this server
        ("http://evil.example:8401", "evil.example:8401"),
        ("http://192.168.1.5.nip.io", "192.168.1.5.nip.io"),
        ("http://localhost.evil.example", "localhost.evil.example"),
        ("http://localhost.:8401", "localhost.:8401"),
        # A host, scheme or port other than that of the request
        ("http://192.168.1.6:8401", "192.168.1.5:8401"),
        ("https://192.168.1.5:8401", "192.168.1.5:8401"),
        ("http://192.168.1.5:8402", "192.168.1.5:8401"),
        ("http://192.168.1.5", "192.168.1.5:8401"),
        # Not an address
        ("http://", ""),
        ("http://:8401", ":8401"),
        ("http://1.2.3.4@evil.example", "1.2.3.4@evil.example"),
        ("http://[::1]@evil.example", "[::1]@evil.example"),
        ("null", "null"),
        ("http://127.1:8401", "127.1:8401"),
    ],
)
def test_any_other_is_not(origin: str, host: str) -> None:
    assert not Origins(Settings(host=EVERYWHERE)).allow(origin, asked(host))


def test_with_a_public_address_or_one_that_is_listened_on_the_host_counts_nothing() -> None:
    for settings in (
        Settings(host=EVERYWHERE, public_url="https://vote.example.org"),
        Settings(host="127.0.0.1"),
    ):
        assert not Origins(settings).allow("http://192.168.1.5:8401", asked("192.168.1.5:8401"))


def test_two_hosts_are_none() -> None:
    both = SCOPE | {"headers": [(b"host", b"127.0.0.1:8401"), (b"host", b"10.0.0.1")]}
    assert not Origins(Settings(host=EVERYWHERE)).allow("http://127.0.0.1:8401", both)


def test_what_is_refused_is_counted_and_logged_with_its_cure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    origins = Origins(Settings(host="127.0.0.1"))
    for _ in range(5):
        assert not origins.allow("https://elsewhere.example", SCOPE)
        assert not origins.allow("https://other.example\n\u202e", SCOPE)
    assert origins.refused == 10
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "AYES_ALLOWED_ORIGINS=https://elsewhere.example" in lines[0]
    assert not any("\n" in line or "\u202e" in line for line in lines)


# Over HTTP


async def test_an_allowed_page_may_ask_over_http(start: Start) -> None:
    origin = "https://app.example.org"
    server = await start(allowed_origins=(origin,))
    async with httpx.AsyncClient(base_url=server.base) as http:
        for path in ("/v1/page.json", "/v1/openapi.json", "/v1/events", "/v1/nowhere"):
            answer = await http.get(path, headers={"origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
            assert "origin" in answer.headers["vary"].lower()
            assert "access-control-allow-credentials" not in answer.headers
        for path in ("/v1/commands", "/v1/events/e/stream"):
            asked = {"access-control-request-method": "POST", "origin": origin}
            asked["access-control-request-headers"] = "authorization,content-type"
            answer = await http.options(path, headers=asked)
            assert answer.status_code == 204
            assert answer.headers["access-control-allow-origin"] == origin
            assert "POST" in answer.headers["access-control-allow-methods"]
            for field in ("authorization", "content-type", "idempotency-key", "last-event-id"):
                assert field in answer.headers["access-control-allow-headers"]
        own = await http.get("/v1/page.json", headers={"origin": server.base})
        assert own.headers["access-control-allow-origin"] == server.base


async def test_another_page_gets_no_leave(start: Start) -> None:
    server = await start(allowed_origins=("https://app.example.org",))
    async with httpx.AsyncClient(base_url=server.base) as http:
        for origin in ("https://evil.example", "null", "https://app.example.org.evil.example"):
            for answer in (
                await http.get("/v1/page.json", headers={"origin": origin}),
                await http.options("/v1/commands", headers={"origin": origin}),
            ):
                assert not [name for name in answer.headers if name.startswith("access-control")]
        plain = await http.get("/v1/page.json")
        assert "access-control-allow-origin" not in plain.headers
        assert "origin" in plain.headers["vary"].lower()
        page = await http.get("/", headers={"origin": "https://app.example.org"})
        assert "access-control-allow-origin" not in page.headers
    assert server.node.origins.refused == 6
