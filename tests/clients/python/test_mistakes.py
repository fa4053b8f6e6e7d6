"""Mistakes of a program that uses the SDK: each is named at once, and none changes what happens."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from ayes_client import Client, Command
from ayes_client._connection.tokens import Token
from ayes_client._rooms import room as room_module
from ayes_client._typed import known
from ayes_client._typed.known import check_args, check_question
from ayes_client.errors import NotFound
from protocol.commands import COMMANDS, type_of
from protocol.requests import REQUESTS
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.waiting import SECONDS
from tests.parts import free_port
from tests.promises.running import Running, token
from tests.promises.scenes import fresh

RULE = {"rule": "count", "threshold": 2}


def test_every_command_and_query_has_its_known_names() -> None:
    """A type without a table would not be checked."""
    for command in COMMANDS:
        with pytest.raises(ValueError, match="has no 'of_tomorrow'"):
            check_args(type_of(command), {"of_tomorrow": 1}, in_room=False)
    for request in REQUESTS:
        if "." in (tag := str(request.__struct_config__.tag)):
            with pytest.raises(ValueError, match="has no 'of_tomorrow'"):
                check_question(tag, {"of_tomorrow": 1}, in_room=False)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"asumption": RULE}, "policy has no 'asumption'; did you mean 'assumption'?"),
        (
            {"assumption": {"rule": "count", "treshold": 2}},
            "policy.assumption has no 'treshold'; did you mean 'threshold'?",
        ),
        ({"ballot": {"nmaed": True}}, "policy.ballot has no 'nmaed'; did you mean 'named'?"),
        ({"xyz": 1}, "policy has no 'xyz'; for a field of a newer server, send(Command(...))"),
    ],
)
async def test_a_misspelt_rule_is_named_and_makes_no_event(policy: Any, said: str) -> None:
    client: Any = Client("http://127.0.0.1:1", "token")
    for command in (
        client.create_event("Lunch", policy=policy),
        client.command("event.set_policy", {"event": "e", "policy_version": 1, "policy": policy}),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            await command
    with pytest.raises(ValueError, match="policy"):
        await client.query("event.preview_policy", {"event": "e", "policy": policy})


async def test_a_misspelt_keyword_is_named(connect: Connect) -> None:
    client: Any = await connect()
    for name in ("opions", "option"):
        said = f"create_event.. got an unexpected keyword argument '{name}'; did you mean 'options'"
        with pytest.raises(TypeError, match=said):
            await client.create_event("Lunch", **{name: ["Tea"]})
    room: Any = await gathering(client)
    wanted = await proposal(room)
    with pytest.raises(TypeError, match="unexpected keyword argument 'stanse'"):
        await room.vote(wanted, stanse="against")
    with pytest.raises(TypeError, match="unexpected keyword argument 'raeson'"):
        await room.propose.assumption("Tea", raeson="It is hot")
    with pytest.raises(ValueError, match=r"people\[0\] has no 'nme'; did you mean 'name'"):
        await room.command("membership.add", {"people": [{"user": "ada", "nme": "Ada"}]})
    with pytest.raises(ValueError, match="'limti'; did you mean 'limit'"):
        [one async for one in room.paged("comments.list", {"limti": 5})]
    assert not room.you["votes"]


async def test_the_fields_of_a_newer_server_can_be_sent(connect: Connect) -> None:
    client = await connect()
    args = {"subject": "Lunch", "of_tomorrow": 1, "policy": {"of_tomorrow": 1}}
    assert (await client.send(Command(type="event.create", args=args))).applied
    assert (await client.ask({"type": "events.list", "of_tomorrow": 1}))["type"] == "events"


@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_one_votes_on_what_one_has_just_proposed(connect: Connect, transport: str) -> None:
    """No order is promised between an ack and its step in the room."""
    room = await gathering(await connect(transport=transport))
    for _ in range(3):
        ack = await room.propose("assumption", "Tea")
        await room.vote(ack.result["proposal"])
        await room.retract(ack.result["proposal"])


async def test_an_act_waits_for_ones_own_step_and_not_for_ever(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await gathering(await connect())
    view: Any = room._view
    apply: Any = view.apply
    held: list[Any] = []

    def hold(message: Any) -> bool:
        held.append(message)
        return False

    monkeypatch.setattr(view, "apply", hold)
    ack = await room.propose("assumption", "Tea")
    voting = asyncio.create_task(room.vote(ack.result["proposal"]))
    retracting = asyncio.create_task(room.retract(ack.result["proposal"]))
    await asyncio.sleep(0)
    assert not voting.done()
    monkeypatch.setattr(view, "apply", apply)
    async with asyncio.timeout(SECONDS):
        for message in held:
            apply(message)
        await room.reached(ack.seq)
        assert (await voting).seq < (await retracting).seq
    monkeypatch.setattr(view, "apply", lambda message: False)
    monkeypatch.setattr(room_module, "CATCH_UP_TIMEOUT_S", 0.05)
    ack = await room.propose("assumption", "Milk")
    with pytest.raises(NotFound):
        await room.vote(ack.result["proposal"])


async def test_what_the_room_does_not_show_is_not_found_by_its_name(connect: Connect) -> None:
    room = await gathering(await connect())
    with pytest.raises(NotFound) as missing:
        await room.vote("p_nope")
    error = missing.value
    assert (error.code, error.retry, error.details) == ("not_found", "no", {"path": "proposal"})
    assert error.message == (
        "this room shows no proposal p_nope; pass revision= to vote without seeing it"
    )
    with pytest.raises(NotFound, match="no criterion c_nope; pass base_version= to propose") as no:
        await room.propose("conclusion", "Tea", target="c_nope")
    assert no.value.details == {"path": "target"}


@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_a_proposal_that_there_is_not_is_never_decided(
    connect: Connect, transport: str
) -> None:
    room = await gathering(await connect(transport=transport))
    async with asyncio.timeout(SECONDS):
        with pytest.raises(NotFound, match="this event has no proposal p_nope"):
            await room.decided("p_nope")
    wanted = await proposal(room)
    with pytest.raises(TimeoutError, match=f"proposal {wanted} was not decided within 0.05 s"):
        await room.decided(wanted, timeout=0.05)
    with pytest.raises(TimeoutError, match=r"what was waited for was not so within 0\.05 s"):
        await room.until(lambda _: False, timeout=0.05)


async def test_a_decision_is_waited_for_before_the_room_shows_the_proposal(
    connect: Connect,
) -> None:
    maker = await gathering(await connect())
    other = await connect(transport="http")
    room = await other.join(maker.state["event"]["entrance_code"])
    made = await maker.propose("assumption", "Tea")
    deciding = asyncio.create_task(room.decided(made.result["proposal"], timeout=SECONDS))
    await maker.approve(made.result["proposal"])
    assert (await deciding).carried


async def _trouble(url: str, token: Token, **options: Any) -> str:
    """Why there is no first connection."""
    client = Client(url, token, **options)
    waiting = asyncio.Event()
    client.on("status", lambda status: waiting.set() if status == "waiting" else None)
    client.start()
    try:
        async with asyncio.timeout(SECONDS):
            await waiting.wait()
        return client.trouble or ""
    finally:
        await client.stop()


@pytest.mark.parametrize("wrong", [None, 7, b"secret"])
def test_what_is_no_token_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match="token is a text, or a function") as refused:
        Client("http://127.0.0.1:1", wrong)
    assert "secret" not in str(refused.value)


async def test_white_space_around_a_token_is_no_part_of_it(server: Running) -> None:
    user = fresh("user")
    for given in (f" {token(user)}\n", lambda: f"{token(user)}\r\n"):
        async with Client(server.url, given, open_timeout=SECONDS) as client:
            assert client.user is not None
            assert client.user.id == user


async def test_a_token_function_that_returns_no_text_is_the_trouble() -> None:
    nothing: Any = lambda: None  # noqa: E731
    said = await _trouble(f"http://127.0.0.1:{free_port()}", nothing)
    assert said == "no token: the token function returned NoneType, not a text"


@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_a_wrong_path_is_said(server: Running, transport: Any) -> None:
    said = await _trouble(f"{server.url}/elsewhere", token(fresh("user")), transport=transport)
    assert said.endswith("; check the address's path")


def test_no_name_is_near_to_nothing() -> None:
    assert known._hint("xyz", ["policy"]) == ""
