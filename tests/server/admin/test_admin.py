"""The admin's door: closed without its token, open with it, and never past the journal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from handlers.lanes import batch_end
from server.admin.door import MAX_ADMIN_REQUESTS, WRONG_TOKEN_BURST
from server.cli import audit
from server.config import loading
from server.config.loading import SettingsError
from tests.parts import ROOT
from tests.promises.client import PATIENCE
from tests.promises.running import Running, running, token
from tests.promises.scenes import fresh, gathering

TOKEN = "an admin's token of the tests, long enough"


@pytest.fixture
async def site(migrated_url: str) -> AsyncIterator[Running]:
    """A server with an admin's door."""
    async with running(migrated_url, admin_token=TOKEN) as found:
        yield found


@contextlib.asynccontextmanager
async def door(server: Running, given: str | None = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    """A client with that token."""
    headers = {} if given is None else {"authorization": f"Bearer {given}"}
    async with httpx.AsyncClient(
        base_url=f"{server.base}/v1/admin/", headers=headers, trust_env=False
    ) as client:
        yield client


async def written(server: Running) -> list[Any]:
    """All records of events, as the database has them."""
    tables = ("events", "journal", "memberships", "proposals", "votes", "comments")
    async with server.node.database.connection() as connection:
        return [
            await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {name} t"
            )
            for name in tables
        ]


async def test_without_a_token_there_is_no_door(server: Running) -> None:
    async with door(server) as client:
        for path in ("node", "events", "sockets", "users/ada"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get(f"{server.base}/admin")).status_code == 404


@pytest.mark.parametrize(
    "given", [None, "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "member's"], ids=range(6)
)
async def test_every_path_is_shut_to_other_tokens(site: Running, given: str | None) -> None:
    if given == "member's":
        given = token("ada")
    async with door(site, given) as client:
        for method, path in (
            *(("GET", path) for path in ("node", "nodes", "rooms", "events", "sockets")),
            *(("POST", path) for path in ("prune", "users/ada/revoke", "sockets/x/close")),
            *(("POST", path) for path in ("users/ada/erase", "events/x/delete")),
        ):
            answer = await client.request(method, path)
            assert answer.status_code == 401, path
            assert answer.json()["code"] == "unauthenticated"


async def test_wrong_tokens_cost_their_network_its_tries(site: Running) -> None:
    async with door(site, "wrong") as client:
        answers = [await client.get("node") for _ in range(WRONG_TOKEN_BURST + 2)]
    assert [answer.status_code for answer in answers[:WRONG_TOKEN_BURST]] == [401] * 10
    assert answers[-1].status_code == 429
    assert answers[-1].json()["retry_after_ms"] > 0


async def test_the_admin_sees_the_node_its_rooms_its_sockets_and_a_user(site: Running) -> None:
    scene = await gathering(site)
    member = await scene.member()
    await member.subscribe(scene.event)
    async with door(site) as client:
        node = (await client.get("node")).json()
        assert node["sockets"] == 2
        assert node["acked"] > 0
        assert node["failing"] == []
        [room] = (await client.get("rooms")).json()["rooms"]
        assert (room["event"], room["behind"]) == (scene.event, 0)
        listed = (await client.get("events", params={"limit": 200})).json()["events"]
        assert scene.event in {each["id"] for each in listed}
        by_code = (await client.get(f"events/{scene.code}")).json()
        by_id = (await client.get(f"events/{scene.event}")).json()
        assert by_code["id"] == by_id["id"] == scene.event
        assert by_id["steps"][0]["seq"] == by_id["seq"]
        assert set(by_id["steps"][0]) == {"seq", "at", "command"}
        mine = (await client.get("sockets", params={"user": member.user})).json()
        assert [each["user"] for each in mine["sockets"]] == [member.user]
        user = (await client.get(f"users/{member.user}")).json()
        assert [each["event"] for each in user["memberships"]] == [scene.event]
        assert (await client.get("users/nobody-of-that-name")).status_code == 404
        assert (await client.get("events/ABC234")).status_code == 404
        assert (await client.get("sockets", params={"limit": "0"})).status_code == 400


async def test_a_locked_table_is_not_said_to_be_out_of_reach(site: Running) -> None:
    holder = await asyncpg.connect(site.node.database.url)
    work = site.node.revocations.task
    try:
        await holder.execute("BEGIN; LOCK TABLE revocations")
        assert not await work.once()
        async with door(site) as client:
            [failing] = (await client.get("node")).json()["failing"]
    finally:
        await holder.close()
    assert (failing["work"], failing["reason"]) == ("revocations", "locked")
    assert "another session holds a lock" in failing["why"]
    assert "ayes doctor" in failing["why"]
    assert await work.once()


async def test_pages_of_events_have_each_once(site: Running) -> None:
    made = {(await gathering(site)).event for _ in range(3)}
    async with door(site) as client:
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = (await client.get("events", params={"after": after, "limit": 2})).json()
            found += [each["id"] for each in page["events"]]
            after = page.get("next")
    assert made <= set(found)
    assert len(found) == len(set(found))


async def test_acts_touch_connections_and_access_and_never_an_event(site: Running) -> None:
    scene = await gathering(site)
    member = await scene.member()
    before = await written(site)
    async with door(site) as client:
        mine = (await client.get("sockets", params={"user": member.user})).json()["sockets"]
        closed = await client.post(f"sockets/{mine[0]['connection']}/close")
        assert closed.json()["type"] == "admin.closed"
        assert await member.gone() == 4001
        revoked = await client.post(f"users/{scene.admin.user}/revoke")
        assert revoked.json()["user"] == scene.admin.user
        assert await scene.admin.gone() == 4503
        assert (await client.post("prune")).json() == {"type": "admin.pruned", "count": 0}
        wrong = await client.post("users/ada/revoke", json={"before": "2026-11-23T08:00:00"})
        assert wrong.status_code == 400
    assert await written(site) == before


async def test_a_slow_transaction_is_shown_with_its_event(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_end, "SLOW_TRANSACTION_S", 0.0)
    scene = await gathering(site)
    await scene.do("event.pause")
    async with door(site) as client:
        slow = (await client.get("node")).json()["slow"]
    assert scene.event in slow[0]["events"]


async def test_requests_at_once_are_bounded(site: Running) -> None:
    async with door(site) as client:
        answers = await asyncio.gather(
            *(client.get("nodes") for _ in range(8 * MAX_ADMIN_REQUESTS))
        )
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 429}
    assert 200 in codes


def test_the_token_is_long_its_own_and_may_stand_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="AYES_ADMIN_TOKEN has 5 bytes"):
        loading.load({"admin_token": "short"})
    with pytest.raises(SettingsError, match="must not be AYES_AUTH_SECRET"):
        loading.load({"admin_token": TOKEN, "auth_secret": TOKEN})
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    given = loading.load({"admin_token_file": str(file)})
    assert given.admin_token == TOKEN
    assert TOKEN not in str(loading.printable(given))
    with pytest.raises(SettingsError, match="exclude each other"):
        loading.load({"admin_token_file": str(file), "admin_token": TOKEN})


async def ayes(
    server: Running, *words: str, given: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    """The output of ``ayes admin``."""
    environment = os.environ | {"AYES_ADMIN_TOKEN": given, "AYES_URL": server.base}
    command = [sys.executable, "-m", "server.cli", "admin", *words]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
        )

    return await asyncio.to_thread(run)


async def test_the_command_line_does_the_same(site: Running) -> None:
    scene = await gathering(site)
    member = await scene.member()
    shown, listed, revoked, refused = await asyncio.gather(
        # Options of the whole command may stand after the verb too.
        ayes(site, "users", member.user, "--json", "--url", site.base),
        ayes(site, "events", scene.code),
        ayes(site, "revoke", member.user, "--before", "2020-01-01T00:00:00Z"),
        ayes(site, "status", given="x" * 40),
    )
    assert json.loads(shown.stdout)["sockets"][0]["user"] == member.user
    assert f"id: {scene.event}" in listed.stdout
    assert "before: 2020-01-01T00:00:00.000Z" in revoked.stdout
    assert (refused.returncode, refused.stderr) == (
        *(1, "ayes: the server has another AYES_ADMIN_TOKEN\n"),
    )


async def test_a_persons_words_are_erased_at_the_door(site: Running) -> None:
    scene, other = await gathering(site), await gathering(site)
    person = await site.connect(fresh("person"), name="Wqpname")
    for each in (scene, other):
        await each.join(person)
        proposal = await each.propose()
        about = {"event": each.event, "proposal": proposal, "content": "Wqpwords"}
        await person.result("comment.add", **about)
    room = await scene.admin.subscribe(scene.event)
    assert "Wqp" in json.dumps(room.state)
    async with door(site) as client:
        path = f"users/{person.user}/erase"
        for body in ({}, {"confirm": "somebody"}, {"confirm": 1}):
            refused = await client.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
        nobody = {"confirm": "nobody-of-that-name"}
        assert (
            await client.post("users/nobody-of-that-name/erase", json=nobody)
        ).status_code == 404
        confirm = {"confirm": person.user}
        missing = await client.post(path, json=confirm | {"event": "ABC234"})
        assert missing.status_code == 404
        assert "Wqp" in json.dumps(room.state)
        one = await client.post(path, json=confirm | {"event": scene.event}, timeout=PATIENCE)
        assert one.status_code == 200, one.text
        assert "it verifies" in one.json()["done"][0]
        await scene.admin.until(lambda: "Wqp" not in json.dumps(room.state), "the words going")
        assert "Wqp" in json.dumps(await other.state())
        every = await client.post(path, json=confirm, timeout=PATIENCE)
        assert "nothing since" in " ".join(every.json()["done"])
        assert "Wqp" not in json.dumps(await other.state())
    for each in (scene, other):
        assert "agree" in await audit.verify_event(site.node.database, each.event)


async def test_an_event_is_exported_and_deleted_at_the_door(
    migrated_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(migrated_url, admin_token=TOKEN, export_dir=tmp_path) as server:
        scene = await gathering(server, 1)
        room = await scene.members[0].subscribe(scene.event)
        async with door(server) as client:
            path = f"events/{scene.event}/delete"
            for body in ({}, {"confirm": scene.code}):
                assert (await client.post(path, json=body)).status_code == 400
            confirm = {"confirm": scene.event}
            assert (await client.post("events/ABC234/delete", json=confirm)).status_code == 404
            first, second = await asyncio.gather(
                *(client.post(path, json=confirm, timeout=PATIENCE) for _ in range(2))
            )
            answer, busy = sorted((first, second), key=lambda one: one.status_code)
            assert (answer.status_code, busy.json()["code"]) == (200, "busy"), busy.text
            export = Path(answer.json()["export"])
            assert export.parent == tmp_path
            assert export.stat().st_mode & 0o777 == 0o600
            assert "every answer and every patch agree" in audit.verify_file(export)
            assert (await client.get(f"events/{scene.event}")).status_code == 404
            assert (await client.post(path, json=confirm)).status_code == 404
        assert await room.closed() == "revoked"
        acts = [record for record in caplog.records if record.name == "ayes.admin"]
        assert [record.getMessage() for record in acts] == [
            *("admin: deletes an event", "admin: deletes an event", "admin: deleted an event"),
        ]
        assert all(record.__dict__["event"] == scene.event for record in acts)


async def test_no_event_is_deleted_without_an_export_that_verifies(
    migrated_url: str, tmp_path: Path
) -> None:
    async with running(migrated_url, admin_token=TOKEN) as server:
        scene = await gathering(server, 1)
        confirm = {"confirm": scene.event}
        async with door(server) as client:
            refused = await client.post(f"events/{scene.event}/delete", json=confirm)
        assert (refused.status_code, "AYES_EXPORT_DIR" in refused.text) == (400, True)
        async with server.node.database.connection() as connection:
            await connection.execute(
                "UPDATE journal SET payload = '{}' WHERE event_id = $1 AND seq = 2", scene.event
            )
    keeping = running(migrated_url, admin_token=TOKEN, export_dir=tmp_path)
    async with keeping as server, door(server) as client:
        path = f"events/{scene.event}/delete"
        refused = await client.post(path, json=confirm, timeout=PATIENCE)
        assert (refused.status_code, "nothing was deleted" in refused.text) == (409, True)
        assert (await client.get(f"events/{scene.event}")).status_code == 200
        anyway = confirm | {"damaged": True}
        assert (await client.post(path, json=anyway, timeout=PATIENCE)).status_code == 200


async def test_the_command_line_asks_before_it_erases_or_deletes(
    migrated_url: str, tmp_path: Path
) -> None:
    async with running(migrated_url, admin_token=TOKEN, export_dir=tmp_path) as server:
        scene = await gathering(server)
        member = await scene.member()
        asked, erased = await asyncio.gather(
            ayes(server, "delete", scene.event),
            ayes(server, "erase", member.user, "--event", scene.code, "--yes"),
        )
        assert (asked.returncode, "cannot be undone" in asked.stderr) == (1, True)
        assert (erased.returncode, "event " in erased.stdout) == (0, True), erased.stderr
        deleted = await ayes(server, "delete", scene.event, "--yes")
        assert (deleted.returncode, str(tmp_path) in deleted.stdout) == (0, True), deleted.stderr
