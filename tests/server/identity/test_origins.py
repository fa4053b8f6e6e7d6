"""Cross-site WebSocket hijacking: whose pages may open a socket."""

from __future__ import annotations

import itertools

import pytest
from websockets.exceptions import InvalidStatus

from server.config import loading
from server.config.loading import SettingsError
from server.config.settings import Settings
from server.identity.origins import origin_allowed
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
SCOPE = {"type": "websocket", "server": ("127.0.0.1", 8401)}

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
    # None at all, in every spelling.
    *("", " ", "null", "Null", "NULL", "undefined", "*", "https://", "http://", "//", "file://"),
    *("about:blank", "data:text/html", "blob:https://app.example.org/1", "javascript:1"),
    *("chrome-extension://abcdefghijklmnop", "moz-extension://app.example.org"),
    *("capacitor://localhost:80", "ionic://localhost", "capacitor://app.example.org"),
    # Without scheme or host, or with more than an origin has.
    *("app.example.org", "vote.example.org", "localhost:3000", "127.0.0.1:8401", "localhost"),
    *("//app.example.org", "https:app.example.org", "https:/app.example.org"),
    # Other scripts that look alike or fold together.
    *("https://\u0430pp.example.org", "https://app.ex\u0430mple.org", "https://app。example.org"),
    *("https://app.example.org", "https://app%2eexample.org", "https://ápp.example.org"),
    *("https://bürger.example", "https://buerger.example", "https://xn--app-.example.org"),
    *("https://bücher.example:8443", "https://xn--bcher-kva.example", "https://xn--brger-kva"),
    # Other ways to write an address.
    *("http://127.1:8401", "http://2130706433:8401", "http://0x7f000001:8401"),
    *("http://127.0.0.2:8401", "http://0.0.0.0:8401", "http://0177.0.0.1:8401"),
    *("http://[::ffff:127.0.0.1]:8401", "http://[0:0:0:0:0:0:0:1]:8401", "http://::1:8401"),
    *("http://[::]:8401", "http://127.0.0.1.:8401", "http://127.0.0.1.nip.io:8401"),
    # Two in one header.
    "https://app.example.org https://evil.example",
    "https://evil.example https://app.example.org",
    "https://app.example.org, https://evil.example",
    "https://app.example.org,https://app.example.org",
]


def near(origin: str) -> list[str]:
    """What somebody would try who wants to pass for ``origin``."""
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
    wrong = [origin for origin in REFUSED if origin_allowed(origin, SCOPE, SETTINGS)]
    wrong += [origin for origin in ALLOWED if not origin_allowed(origin, SCOPE, SETTINGS)]
    assert wrong == []


def test_a_request_without_an_origin_is_no_browser() -> None:
    assert origin_allowed(None, SCOPE, SETTINGS)


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
    scope = {"type": "websocket", "server": ("10.0.0.1", port)}
    settings = Settings(host=host)
    assert [origin for origin in own if not origin_allowed(origin, scope, settings)] == []
    assert [origin for origin in not_own if origin_allowed(origin, scope, settings)] == []


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
