"""Every answer of the server over HTTP is published: the status, the type, the body."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from protocol.published import openapi
from tests.promises.running import Running, token
from tests.protocol_schema.validity import HTTP_CONTRACT, message_problems

DOCUMENT = openapi.document()
EVENT = "/v1/events/{event}"
Json = dict[str, Any]


def problems(path: str, response: httpx.Response) -> list[str]:
    """Parts of ``response`` to a request for ``path`` that the document does not describe."""
    operation = DOCUMENT["paths"][path][response.request.method.lower()]
    published = operation["responses"].get(str(response.status_code))
    if published is None:
        return [f"{path}: {response.status_code} is not published"]
    if "$ref" in published:
        published = DOCUMENT["components"]["responses"][published["$ref"].rpartition("/")[2]]
    kind = response.headers.get("content-type", "").partition(";")[0]
    content = published.get("content", {})
    if not content:
        return [] if not response.content else [f"{path}: there is a body"]
    if kind not in content:
        return [f"{path}: {kind} is not published for {response.status_code}"]
    found = [
        f"{path}: {name} is missing"
        for name in published.get("headers", {})
        if name == "WWW-Authenticate" and name not in response.headers
    ]
    if kind != "application/json":
        return found
    return found + HTTP_CONTRACT.against(content[kind]["schema"], response.json())


class Visitor:
    """A user with a token and without a socket."""

    def __init__(self, server: Running, user: str) -> None:
        headers = {"authorization": f"Bearer {token(user)}"} if user else {}
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", headers=headers, trust_env=False
        )
        self.problems: list[str] = []
        self.event = "no-event"

    async def get(self, path: str, status: int, *, headers: Any = None, **query: Any) -> Json:
        """``GET``; the body."""
        filled = path.replace("{event}", self.event).replace("{id}", "some-command")
        return self._seen(path, status, await self.http.get(filled, params=query, headers=headers))

    async def post(self, status: int, body: Any, **headers: str) -> Json:
        """``POST /v1/commands``; the body of the answer."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        path = "/v1/commands"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._seen(path, status, await self.http.post(path, content=content, headers=named))

    async def query(self, status: int, body: Any) -> Json:
        """``POST /v1/queries``; the body of the answer."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        path = "/v1/queries"
        return self._seen(path, status, await self.http.post(path, content=content))

    def _seen(self, path: str, status: int, response: httpx.Response) -> Json:
        assert response.status_code == status, response.text
        self.problems += problems(path, response)
        body: Json = response.json() if "json" in response.headers["content-type"] else {}
        return body

    async def command(self, type: str, status: int = 200, **fields: Any) -> Json:
        """A command; its answer."""
        return await self.post(status, {"type": type, "id": uuid.uuid4().hex} | fields)


@pytest.fixture
async def ada(server: Running) -> AsyncIterator[Visitor]:
    """A user with an event of their own."""
    visitor = Visitor(server, "ada")
    async with visitor.http:
        made = await visitor.command("event.create", subject="Where do we eat?", options=["Here"])
        visitor.event = made["event"]
        yield visitor
    assert not visitor.problems, visitor.problems


async def test_every_route_answers_as_published(ada: Visitor) -> None:
    await ada.get("/v1/events", 200, limit=1)
    await ada.get(EVENT, 200)
    for name in ("comments", "proposals", "members", "requests"):
        await ada.get(f"{EVENT}/{name}", 200, before=1_000, limit=1)
        await ada.get(f"{EVENT}/{name}", 400, limit=0)
    await ada.command("event.start", event=ada.event)
    given: Json = {"kind": "assumption", "category": "create", "content": "It is warm."}
    made = await ada.command("proposal.create", event=ada.event, **given)
    proposal = made["result"]["proposal"]
    await ada.get(f"{EVENT}/turnout", 200, ballot="true", limit=1)
    await ada.get(f"{EVENT}/turnout", 400)
    await ada.get(f"{EVENT}/turnout", 403, proposal=proposal)
    await ada.get(f"{EVENT}/votes", 403, proposal=proposal, before="zoe", limit=1)
    await ada.get(f"{EVENT}/votes", 400)
    await ada.get(f"{EVENT}/ballots", 403)
    await ada.get(f"{EVENT}/receipt", 404)
    await ada.get(f"{EVENT}/invitations", 200, limit=1)
    await ada.get(f"{EVENT}/journal", 200, after=0, limit=1)
    await ada.get(f"{EVENT}/journal", 400, limit="many")
    await ada.get(f"{EVENT}/commands/{{id}}", 200)
    await ada.query(200, {"type": "hello"})
    await ada.query(200, {"type": "ping"})
    await ada.query(200, {"type": "events.list", "limit": 1})
    await ada.query(404, {"type": "event.overview", "code": "NOSUCH"})
    await ada.query(400, {"type": "subscribe", "event": ada.event})
    await ada.query(413, b" " * 70_000)
    await ada.get("/healthz", 200)
    await ada.get("/metrics", 200)
    assert await ada.get("/readyz", 200) == {"ready": True}


async def test_a_command_is_acked_and_refused_as_published(ada: Visitor) -> None:
    start = {"type": "event.start", "event": ada.event}
    first = await ada.post(200, start | {"id": "start-the-event"})
    again = await ada.post(200, start, idempotency_key="start-the-event")
    assert again == first | {"replayed": True}
    await ada.post(422, start | {"type": "event.pause", "id": "start-the-event"})
    await ada.command("event.start", 404, event="no-such-event")
    await ada.command("event.update", 409, event=ada.event, subject="Too late")
    await ada.command("event.start", 400)
    await ada.command("nothing", 400)
    await ada.post(400, b"no JSON")
    await ada.post(413, b" " * 70_000)


async def test_who_has_no_token_or_no_standing_is_told_so(server: Running, ada: Visitor) -> None:
    nobody, eve = Visitor(server, ""), Visitor(server, "eve")
    eve.event = ada.event
    code = (await ada.get(EVENT, 200))["state"]["event"]["entrance_code"]
    async with nobody.http, eve.http:
        for path in ("/v1/events", EVENT, f"{EVENT}/stream", f"{EVENT}/journal"):
            await nobody.get(path, 401)
        await nobody.post(401, {})
        for name in ("", "/comments", "/journal", "/stream"):
            await eve.get(f"{EVENT}{name}", 404)
        await eve.command("membership.join", code=code)
        await eve.get(EVENT, 200)
        await eve.get(f"{EVENT}/members", 403)
    assert not nobody.problems + eve.problems


async def test_a_stream_says_what_the_socket_says(ada: Visitor) -> None:
    path = f"/v1/events/{ada.event}/stream"
    seen: list[Json] = []
    async with asyncio.timeout(30), ada.http.stream("GET", path) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                seen.append(orjson.loads(line[6:]))
                if seen[-1]["type"] == "snapshot":
                    await ada.command("event.start", event=ada.event)
                elif seen[-1]["type"] == "diff":
                    break
    assert [message["type"] for message in seen if message["type"] != "presence"] == [
        "snapshot",
        "diff",
    ]
    assert not [told for message in seen for told in message_problems(message)]


#: No PostgreSQL text may hold U+0000: one such id would fail the queries of all users in its batch.
NUL = "%00"


@pytest.mark.parametrize("path", ["", "/comments", "/journal", "/stream", "/commands/{id}"])
async def test_what_can_be_no_id_is_a_bad_request(ada: Visitor, path: str) -> None:
    for event in (NUL, "x" * 65):
        ada.event = event
        body = await ada.get(f"{EVENT}{path}", 400)
        assert (body["code"], body["details"]["path"]) == ("bad_request", "event")


async def test_a_position_beyond_all_is_a_bad_request(ada: Visitor) -> None:
    await ada.get(f"{EVENT}/journal", 400, after=2**53)
    await ada.get(f"{EVENT}/journal", 400, after=-1)
    await ada.get(f"{EVENT}/comments", 400, before=2**63)
    await ada.get("/v1/events", 400, after="2026-01-01T00:00:00Z~\x00")
    await ada.get("/v1/events", 400, ref="\x00")
