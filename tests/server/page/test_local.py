"""Local mode: a user on this machine needs only a name, and no other user can use it."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from protocol.published import openapi
from server import process
from server.config.settings import Settings
from server.page import local
from server.page.local import is_set_up, user_of
from tests.fixtures.servers import Start
from tests.promises.running import Running
from tests.protocol_schema.validity import HTTP_CONTRACT
from tests.server.raw import raw

BODY = b'{"name":"Ada"}'
JSON = "content-type: application/json"


@pytest.fixture
async def site(start: Start) -> Running:
    """A server without settings: local mode is on."""
    found: Running = await start(auth_secret=None)
    return found


async def asked(
    server: Running,
    *lines: str,
    target: str = "POST /v1/local/token HTTP/1.1",
    body: bytes = BODY,
) -> tuple[int, dict[str, Any]]:
    """The answer to a request with exactly these header lines; PORT stands for the server's."""
    head = [target, *lines, f"content-length: {len(body)}", "connection: close"]
    text = "\r\n".join(head).replace("PORT", str(server.port))
    async with raw(server) as peer:
        await peer.say(text.encode("latin-1") + b"\r\n\r\n" + body)
        answer = await peer.hear_all()
    top, _, rest = answer.partition(b"\r\n\r\n")
    status = int(top.split()[1])
    told: dict[str, Any] = orjson.loads(rest) if b"application/json" in top else {}
    return status, told


HERE = "host: localhost:PORT"
#: Requests from this machine: header lines as they are sent.
LOCAL: dict[str, list[str]] = {
    "localhost": [HERE],
    "127.0.0.1": ["host: 127.0.0.1:PORT"],
    "::1": ["host: [::1]:PORT"],
    "another loopback address": ["host: 127.8.9.10:PORT"],
    "capitals": ["host: LocalHost:PORT"],
    "its own page": [HERE, "origin: http://localhost:PORT", "sec-fetch-site: same-origin"],
    "its own page at ::1": ["host: [::1]:PORT", "origin: http://[::1]:PORT"],
    "typed into the address bar": [HERE, "sec-fetch-site: none"],
}
#: Requests from elsewhere, or that are not permitted.
ELSEWHERE: dict[str, list[str]] = {
    # DNS rebinding: an attacker's name that resolves to this machine.
    "another host": ["host: evil.example:PORT"],
    "a host that begins like it": ["host: localhost.evil.example:PORT"],
    "a host that ends like it": ["host: evil-localhost:PORT"],
    "a host that leads here": ["host: 127.0.0.1.nip.io:PORT"],
    "a dot at the end": ["host: localhost.:PORT"],
    "an address of the network": ["host: 192.168.1.10:PORT"],
    "any address": ["host: 0.0.0.0:PORT"],
    "a number for an address": ["host: 2130706433:PORT"],
    "a short address": ["host: 127.1:PORT"],
    "an address without its brackets": ["host: ::1:PORT"],
    "user information": ["host: localhost:PORT@evil.example"],
    "a path": ["host: localhost:PORT/"],
    "no host": ["x: y"],
    "an empty host": ["host:"],
    "two hosts": [HERE, "host: evil.example"],
    "two hosts, the other way": ["host: evil.example", HERE],
    # Another server's port
    "another port": ["host: localhost:1"],
    "no port": ["host: localhost"],
    "an empty port": ["host: localhost:"],
    "a port that is none": ["host: localhost:PORTx"],
    "a port with a sign": ["host: localhost:+PORT"],
    "a port in other digits": ["host: localhost:٨٤٠٠".encode().decode("latin-1")],
    # A proxy
    "forwarded": [HERE, "forwarded: for=192.0.2.1"],
    "forwarded, empty": [HERE, "forwarded:"],
    "forwarded for": [HERE, "X-Forwarded-For: 127.0.0.1"],
    "forwarded host": [HERE, "x-forwarded-host: localhost"],
    "forwarded proto": [HERE, "x-forwarded-proto: https"],
    "forwarded anything": [HERE, "x-forwarded-anything: x"],
    "via": [HERE, "via: 1.1 proxy"],
    "a real address": [HERE, "x-real-ip: 127.0.0.1"],
    "a content network": [HERE, "cf-connecting-ip: 127.0.0.1"],
    "another one": [HERE, "true-client-ip: 127.0.0.1"],
    "a mesh": [HERE, "x-envoy-external-address: 127.0.0.1"],
    "a load balancer": [HERE, "x-client-ip: 127.0.0.1"],
    # Another site's page
    "another site": [HERE, "origin: https://evil.example"],
    "no origin to tell": [HERE, "origin: null"],
    "an empty origin": [HERE, "origin:"],
    "another port's page": [HERE, "origin: http://localhost:1"],
    "the same page by another name": [HERE, "origin: http://127.0.0.1:PORT"],
    "another scheme": [HERE, "origin: https://localhost:PORT"],
    "two origins": [HERE, "origin: http://localhost:PORT", "origin: http://localhost:PORT"],
    "a page of the same site": [HERE, "sec-fetch-site: same-site"],
    "a page of another site": [HERE, "sec-fetch-site: cross-site"],
}


@pytest.mark.parametrize("name", LOCAL)
async def test_whoever_is_here_signs_in_by_name(site: Running, name: str) -> None:
    status, told = await asked(site, *LOCAL[name], JSON)
    assert (status, told["name"]) == (200, "Ada")
    status, told = await asked(site, *LOCAL[name], target="GET /v1/page.json HTTP/1.1", body=b"")
    assert (status, told["local"]) == (200, True)


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_nobody_else_does(site: Running, name: str) -> None:
    status, told = await asked(site, *ELSEWHERE[name], JSON)
    assert "token" not in told
    assert status in (400, 404)
    if status == 404:
        assert told["code"] == "not_found"
    page = "GET /v1/page.json HTTP/1.1"
    status, told = await asked(site, *ELSEWHERE[name], target=page, body=b"")
    assert status == 400 or told["local"] is False


async def test_a_proxy_that_leaves_no_trace_speaks_another_http(site: Running) -> None:
    """nginx by default: the inner address as host, no header of its own."""
    old = "POST /v1/local/token HTTP/1.0"
    assert (await asked(site, HERE, JSON, target=old))[0] == 404


#: Settings that end local mode.
QUIET = {"host": "127.0.0.1"}
SET_UP: list[dict[str, Any]] = [
    *({"host": host} for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9")),
    {"public_url": "http://localhost:8400"},
    {"public_url": "http://[::1]:8400"},
    {"auth_issuer": "https://issuer.example", "auth_audience": "others"},
]
NOT_SET_UP: list[dict[str, Any]] = [
    *({"host": host} for host in ("0.0.0.0", "::", "", "192.168.1.10", "ayes.example")),  # noqa: S104
    {"auth_secret": "x" * 32},
    {"auth_jwks_url": "https://issuer.example/keys"},
    {"oidc_issuer": "https://issuer.example", "oidc_client_id": "page"},
    {"public_url": "https://vote.example.org"},
    {"public_url": "https://localhost.example.org"},
    {"public_url": "vote.example.org"},
]


@pytest.mark.parametrize("changes", SET_UP, ids=str)
def test_it_is_there_where_nothing_is_set_up(changes: dict[str, Any]) -> None:
    assert is_set_up(Settings(**(QUIET | changes)))


@pytest.mark.parametrize("changes", NOT_SET_UP, ids=str)
async def test_it_is_gone_where_something_is(start: Start, changes: dict[str, Any]) -> None:
    assert not is_set_up(Settings(**(QUIET | changes)))
    # The test reaches it only if the server listens on loopback too.
    if changes.get("host") in (None, "0.0.0.0", "::"):  # noqa: S104
        server = await start(**({"auth_secret": None} | changes))
        assert (await asked(server, HERE, JSON))[0] == 404
        page = await asked(server, HERE, target="GET /v1/page.json HTTP/1.1", body=b"")
        assert page[1]["local"] is False


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        # A form or a plain request, which another site can send without a preflight.
        *((kind, BODY) for kind in ("text/plain", "application/x-www-form-urlencoded", "")),
        ("multipart/form-data; boundary=x", BODY),
        ("application/jsonp", BODY),
        *(
            ("application/json", body)
            for body in (
                *(b"", b"{}", b"[]", b"null", b'"Ada"', b"{", b"\xff", b'{"name":null}'),
                *(b'{"name":""}', b'{"name":"  "}', b'{"name":7}', b'{"name":["Ada"]}'),
                *(b'{"name":"A\\u0000da"}', b'{"name":"A\\u001bda"}', b'{"name":"\\ud800"}'),
                *(
                    b'{"name":"\\u200b"}',
                    b'{"name":"\\u200d \\u2060"}',
                    b'{"name":"\\u3164\\u1160"}',
                ),
                b'{"name":"' + "a\u0301\u0316".encode() * 3_000 + b'"}',
                *(b'{"name":"' + b"x" * 101 + b'"}', b"[" * 5_000, b'{"Name":"Ada"}'),
            )
        ),
    ],
)
async def test_what_is_no_name_is_told(site: Running, kind: str, body: bytes) -> None:
    status, told = await asked(site, HERE, f"content-type: {kind}", body=body)
    assert (status, told["code"]) == (400, "bad_request")
    assert told["details"]["path"] in ("name", "content-type", "")


async def test_a_body_has_an_end(site: Running) -> None:
    large = b'{"name":"' + b"x" * local.MAX_NAME_BODY_BYTES + b'"}'
    assert (await asked(site, HERE, JSON, body=large))[0] == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_token_is_asked_for_in_one_way(site: Running, method: str) -> None:
    status, told = await asked(site, HERE, JSON, target=f"{method} /v1/local/token HTTP/1.1")
    assert status == 405
    assert "token" not in told


def test_one_name_is_one_user_however_it_is_written() -> None:
    same = {user_of(name) for name in ("Zoë", "ZOË", "zoe\u0308", "Zo\u200bë", "Ｚｏë")}
    assert len(same) == 1
    assert len({user_of(name) for name in ("Ada", "Ada L", "\u0410da", "Ad\u0430")}) == 4
    assert all(len(user_of(name)) <= 64 for name in ("a", "ΐ" * 1_000))


async def test_the_token_is_good_and_its_user_the_same_each_time(site: Running) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}", trust_env=False) as http:
        first, second = [
            (await http.post("/v1/local/token", json={"name": name})).json()
            for name in ("  Ada \u00a0 \u202eKing\r\n", "ada king")
        ]
        kept = await http.post("/v1/local/token", json={"name": "Bob"})
    assert (first["name"], second["name"]) == ("Ada King", "ada king")
    assert first["user"] == second["user"] != kept.json()["user"]
    assert kept.headers["cache-control"] == "no-store"
    client = await site.open()
    welcome = await client.hello(first["token"])
    assert welcome["user"] == {"id": first["user"], "name": "Ada King"}


async def test_tokens_come_at_the_pace_of_people(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LOCAL_TOKEN_BURST", 3)
    monkeypatch.setattr(local, "LOCAL_TOKENS_PER_SECOND", 0.01)
    server = await start(auth_secret=None)
    seen = [await asked(server, HERE, JSON) for _ in range(4)]
    assert [status for status, _ in seen] == [200, 200, 200, 429]
    assert seen[-1][1]["retry_after_ms"] > 0


async def test_the_answers_are_as_published(site: Running) -> None:
    schemas = {"page": "PageSettings", "token": "LocalToken"}
    _, page = await asked(site, HERE, target="GET /v1/page.json HTTP/1.1", body=b"")
    _, token = await asked(site, HERE, JSON)
    assert page == {
        "oidc": None,
        "local": True,
        "version": page["version"],
        "public_url": None,
        "help_url": None,
        "guests": False,
    }
    for told, name in ((page, schemas["page"]), (token, schemas["token"])):
        assert name in openapi.document()["components"]["schemas"]
        ref = {"$ref": f"#/components/schemas/{name}"}
        assert HTTP_CONTRACT.against(ref, told) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "open http://127.0.0.1:8400/, and sign in by name"),
        ({"auth_secret": "x" * 32}, "open http://127.0.0.1:8400/"),
        ({"public_url": "https://vote.example.org/ayes/"}, "open https://vote.example.org/ayes/"),
    ],
    ids=str,
)
def test_whoever_starts_the_server_is_told_what_to_open(
    changes: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    process.announce(Settings(**changes), "127.0.0.1", 8400)
    assert capsys.readouterr().out.splitlines() == ["ayes is ready: http://127.0.0.1:8400", told]
