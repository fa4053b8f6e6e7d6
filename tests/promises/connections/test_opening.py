"""Users who may connect, and the refusals of all others (``docs/protocol.md``, "Opening")."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.fixtures.servers import Start
from tests.promises.running import SECRET, Running, auth, token
from tests.promises.scenes import gathering


async def test_a_welcome_tells_the_user_and_the_limits(server: Running) -> None:
    client = await server.open("ada")
    welcome = await client.hello(token("ada", name="Ada"), client={"name": "web", "version": "1"})
    assert welcome["type"] == "welcome"
    assert welcome["user"] == {"id": "ada", "name": "Ada"}
    assert welcome["heartbeat_ms"] == 20_000
    assert welcome["limits"] == {
        "message_bytes": 65_536,
        "batch": 256,
        "inflight": 256,
        "subscriptions": 64,
        "commands_per_second": 200,
        "burst": 1_000,
    }
    assert welcome["server"]["protocol"] == "1.0"
    assert set(welcome) - {"ref"} == {
        *("type", "session", "user", "time", "heartbeat_ms", "limits", "server")
    }


@pytest.mark.parametrize("frame", [b"\x00", b"{}", "{", "null", '"hello"', "12"])
async def test_no_message_at_all_before_hello_is_unauthenticated_too(
    server: Running, frame: bytes | str
) -> None:
    client = await server.open()
    await client.raw(frame)
    assert await client.gone() == 4501
    assert [error["code"] for error in client.of("error")] == ["unauthenticated"]


async def test_a_name_left_out_is_the_user_s_id(server: Running) -> None:
    client = await server.connect("u_12")
    assert client.welcome["user"] == {"id": "u_12", "name": "u_12"}


@pytest.mark.parametrize(
    "first",
    [
        {"type": "ping", "ref": "first"},
        {"type": "subscribe", "event": "e", "ref": "first"},
        {"type": "auth", "token": "x", "ref": "first"},
        {"type": "vote.cast", "id": "first-01", "event": "e", "proposal": "p", "revision": 1},
        {"type": "no.such.type", "ref": "first"},
    ],
)
async def test_anything_before_hello_is_unauthenticated(
    server: Running, first: dict[str, Any]
) -> None:
    client = await server.open()
    future = client.expect(first.get("ref") or first["id"])
    await client.say(first)
    answer = await client.answered(future)
    assert (answer["type"], answer["code"]) == ("error", "unauthenticated")
    assert await client.gone() == 4501


async def test_no_hello_in_time_closes_4408(start: Start) -> None:
    server = await start(hello_seconds=1, heartbeat_ms=400)
    client = await server.open()
    assert await client.gone() == 4408


async def test_a_hello_without_a_token_is_unauthenticated(server: Running) -> None:
    client = await server.open()
    assert (await client.hello(None))["code"] == "unauthenticated"
    assert await client.gone() == 4500


def forged() -> list[str]:
    """Tokens that must be refused."""
    import jwt

    soon = int(time.time()) + 600
    claims: dict[str, Any] = {"sub": "ada", "aud": "ayes", "exp": soon}

    def signed(changes: dict[str, Any], key: str = SECRET, algorithm: str = "HS256") -> str:
        changed = {k: v for k, v in (claims | changes).items() if v is not ...}
        return jwt.encode(changed, key, algorithm=algorithm)

    return [
        "nonsense",
        signed({}, key="another secret that is long enough, too"),
        signed({}, key="", algorithm="none"),
        signed({}, algorithm="HS512"),
        signed({"aud": "others"}),
        signed({"aud": ...}),
        signed({"exp": ...}),
        signed({"sub": ...}),
        signed({"sub": ""}),
        signed({"sub": "a" * 256}),
        signed({"sub": "a\0b"}),
    ]


async def test_a_bad_token_closes_4500(server: Running) -> None:
    for bad in forged():
        client = await server.open()
        answer = await client.hello(bad)
        assert (answer["type"], answer["code"]) == ("error", "unauthenticated"), bad
        assert await client.gone() == 4500


@pytest.mark.parametrize("bad", ["", "x" * 20_000, 5, ["a"], {}, True])
async def test_a_token_of_another_shape_is_a_bad_token_too(server: Running, bad: object) -> None:
    client = await server.open()
    answer = await client.request({"type": "hello", "token": bad})
    assert (answer["code"], answer["retry"]) == ("unauthenticated", "auth")
    assert await client.gone() == 4500


@pytest.mark.parametrize("bad", ["", "x" * 20_000, 5, None, ["a"], {}, True])
async def test_a_token_of_another_shape_renews_nothing(server: Running, bad: object) -> None:
    client = await server.open()
    await client.hello(token("ada"))
    answer = await client.request({"type": "auth", "ref": "r", "token": bad})
    expected = ("unauthenticated", "auth") if isinstance(bad, str) else ("bad_request", "fix")
    assert (answer["code"], answer["retry"], answer["ref"]) == (*expected, "r")
    assert (await client.ask("ping"))["type"] == "pong"


async def test_an_expired_token_closes_4401(server: Running) -> None:
    client = await server.open()
    answer = await client.hello(token("ada", seconds=-1))
    assert (answer["code"], answer["retry"]) == ("auth_expired", "auth")
    assert await client.gone() == 4401


async def test_a_bot_may_send_its_token_with_the_upgrade(server: Running) -> None:
    client = await server.open(headers={"Authorization": f"Bearer {token('bot')}"})
    welcome = await client.hello(None)
    assert welcome["user"]["id"] == "bot"


async def test_a_second_hello_is_a_bad_request(server: Running) -> None:
    client = await server.connect("ada")
    answer = await client.hello(token("ada"))
    assert (answer["code"], answer["details"]["path"]) == ("bad_request", "type")
    assert (await client.ask("ping"))["type"] == "pong"


async def test_what_comes_right_behind_the_hello_is_answered(server: Running) -> None:
    client = await server.open("ada")
    await client.say([{"type": "hello", "token": token("ada")}, {"type": "ping", "ref": "p"}])
    await client.saw("pong")
    assert [message["type"] for message in client.received] == ["welcome", "pong"]


# Origin


async def test_another_origin_is_closed_4505(server: Running) -> None:
    own = f"http://127.0.0.1:{server.port}"
    for origin in (
        "http://evil.example",
        "null",
        own.replace("http", "https"),
        own + ".evil.example",
        own + "0",
        own + "/",
        f"http://127.0.0.1@evil.example:{server.port}",
        "http://127.0.0.1",
        "",
    ):
        client = await server.open(origin=origin)
        assert await client.gone() == 4505, origin
        assert client.received == []


async def test_the_own_address_and_the_listed_origins_pass(start: Start) -> None:
    server = await start(
        allowed_origins=("https://app.example",), public_url="https://ayes.example/path"
    )
    for origin in (
        "https://app.example",
        "https://ayes.example",
        f"http://127.0.0.1:{server.port}",
        f"http://localhost:{server.port}",
    ):
        client = await server.open(origin=origin)
        assert (await client.hello(token("ada")))["type"] == "welcome", origin
    for origin in ("https://app.example:444", "http://app.example", "https://x.app.example"):
        client = await server.open(origin=origin)
        assert await client.gone() == 4505, origin


async def test_no_origin_is_no_browser(server: Running) -> None:
    client = await server.connect("bot")
    assert client.welcome["type"] == "welcome"


# Sub-protocols


async def test_an_unknown_sub_protocol_is_echoed_and_closed_4506(server: Running) -> None:
    client = await server.open(subprotocols=("chat.v9", "other"))
    assert client.socket.subprotocol == "chat.v9"
    assert await client.gone() == 4506
    assert client.received == []


async def test_the_known_sub_protocol_is_chosen_among_others(server: Running) -> None:
    client = await server.open(subprotocols=("chat.v9", "ayes.v1"))
    assert client.socket.subprotocol == "ayes.v1"
    assert (await client.hello(token("ada")))["type"] == "welcome"


async def test_no_sub_protocol_is_taken_as_ours(server: Running) -> None:
    client = await server.open(subprotocols=None)
    assert client.socket.subprotocol is None
    assert (await client.hello(token("ada")))["type"] == "welcome"


# Tokens on the open socket


async def test_a_token_is_renewed_on_the_open_socket(server: Running) -> None:
    client = await server.connect("ada")
    answer = await client.ask("auth", token=token("ada", seconds=7_200))
    assert answer["type"] == "authenticated"
    assert answer["expires"].endswith("Z")


async def test_another_users_token_renews_nothing(server: Running) -> None:
    client = await server.connect("ada")
    for bad in (token("bob"), "nonsense"):
        answer = await client.request({"type": "auth", "token": bad})
        assert answer["code"] == "unauthenticated"
    expired = await client.request({"type": "auth", "token": token("ada", seconds=-5)})
    assert expired["code"] == "auth_expired"
    assert (await client.ack("event.create", subject="Still here"))["applied"]


async def test_an_expired_token_stops_commands_until_it_is_renewed(server: Running) -> None:
    client = await server.open("ada")
    await client.hello(token("ada", seconds=1.2))
    id = client.new_id()
    while True:
        answer = await client.send("event.create", subject="Late")
        if answer["type"] == "error":
            break
    assert (answer["code"], answer["effect"], answer["retry"]) == ("auth_expired", "none", "auth")
    await client.refused("auth_expired", "event.create", id=id, subject="Later")
    await client.ask("auth", token=token("ada"))
    ack = await client.ack("event.create", id=id, subject="Later")
    assert (ack["applied"], ack["replayed"]) == (True, False)


async def test_an_expired_token_holds_the_socket_for_its_grace_only(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sessions.keepalive.TICK_INTERVAL_S", 0.05)
    server = await start(expiry_grace_seconds=0)
    client = await server.open("ada")
    await client.hello(token("ada", seconds=1.1))
    assert await client.gone() == 4401


async def test_a_token_that_expires_in_the_queue_decides_nothing(server: Running) -> None:
    """Expiry is checked again under the lock."""
    scene = await gathering(server)
    client = await server.connect(scene.admin.user)
    (session,) = (
        s
        for s in server.node.sockets.all
        if s.id == client.welcome["session"] and s.identity is not None
    )
    assert session.identity is not None
    good = session.identity
    lane_saw: list[Any] = []
    submit = server.node.lanes.submit

    def expire_then_submit(event_id: str, submission: Any) -> None:
        submission.expires = auth.check(token("x")).expires.replace(year=2020)
        lane_saw.append(submission)
        submit(event_id, submission)

    server.node.lanes.submit = expire_then_submit  # type: ignore[method-assign]
    id = client.new_id()
    await client.refused("auth_expired", "event.pause", id=id, event=scene.event)
    server.node.lanes.submit = submit  # type: ignore[method-assign]
    assert lane_saw
    assert session.identity is good
    ack = await client.ack("event.pause", id=id, event=scene.event)
    assert (ack["applied"], ack["replayed"]) == (True, False)


# Too many


async def test_the_connections_of_one_user_are_limited(start: Start) -> None:
    server = await start(connections_per_user=3)
    clients = [await server.connect("ada") for _ in range(3)]
    over = await server.open("ada")
    await over.say({"type": "hello", "token": token("ada")})
    assert await over.gone() == 4504
    await server.connect("bob")
    await clients[0].leave()
    async with asyncio.timeout(30):
        while len(server.node.sockets.all) > 3:
            await asyncio.sleep(0.01)
    await server.connect("ada")


async def test_a_full_server_says_when_to_come_back(start: Start) -> None:
    server = await start(connections=2)
    await server.connect("ada")
    await server.connect("bob")
    over = await server.open("cy")
    assert await over.gone() == 4429
    (bye,) = over.of("bye")
    assert bye["code"] == 4429
    assert bye["retry_after_ms"] > 0


async def test_sockets_that_say_nothing_are_limited(start: Start) -> None:
    server = await start(unauthenticated=2)
    await server.connect("ada")
    silent = [await server.open() for _ in range(2)]
    over = await server.open()
    assert await over.gone() == 4429
    assert over.of("bye")[0]["retry_after_ms"] > 0
    for client in silent:
        assert (await client.hello(token("bob")))["type"] == "welcome"
    await server.connect("cy")


async def who_broke_the_rules(server: Running) -> None:
    """A user's socket is closed for breaking the protocol."""
    client = await server.connect("mallory")
    # The last frame closes it.
    for _ in range(10):
        await client.raw("no JSON")
    assert await client.gone() == 4501


async def test_who_broke_the_rules_and_is_back_at_once_waits_for_a_turn(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three turns a second.
    monkeypatch.setattr("server.limits.reconnect_throttle.OFFENDER_SHARE", 0.003)
    server = await start()
    await who_broke_the_rules(server)
    began = time.monotonic()
    for _ in range(3):
        assert (await server.connect("mallory")).welcome["type"] == "welcome"
    assert time.monotonic() - began > 0.6


async def test_of_those_who_broke_the_rules_only_some_may_wait(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One turn in ten seconds, longer than a client may wait.
    monkeypatch.setattr("server.limits.reconnect_throttle.OFFENDER_SHARE", 0.000_1)
    server = await start()
    await who_broke_the_rules(server)
    await server.connect("mallory")
    over = await server.open()
    assert await over.gone() == 4429
    assert over.of("bye")[0]["retry_after_ms"] > 0


async def test_who_goes_before_their_turn_takes_nothing_along(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.limits.reconnect_throttle.OFFENDER_SHARE", 0.000_5)
    server = await start()
    await who_broke_the_rules(server)
    await server.connect("mallory")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await server.open()
    assert len(server.node.sockets.all) == 1
