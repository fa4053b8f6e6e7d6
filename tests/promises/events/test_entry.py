"""The ways into an event: organisers, added users, guests, invitations."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx

from server.cli import audit
from tests.promises.client import PATIENCE, Client, Message
from tests.promises.running import Running, running, token
from tests.promises.scenes import Scene, by_count, fresh, gathering


async def post(server: Running, path: str, body: Message) -> httpx.Response:
    """A request without a token."""
    base = f"http://127.0.0.1:{server.port}/v1"
    async with httpx.AsyncClient(base_url=base, timeout=PATIENCE, trust_env=False) as http:
        return await http.post(path, json=body)


async def enter(server: Running, path: str, body: Message) -> tuple[Client, Message]:
    """A connection with the token that ``body`` gets."""
    answer = await post(server, path, body)
    assert answer.status_code == 201, answer.text
    client = await server.open()
    await client.say({"type": "hello", "token": answer.json()["token"]})
    await client.saw("welcome", 1)
    return client, answer.json()


async def invited(scene: Scene, *names: str) -> list[Message]:
    people = [{"name": name} for name in names]
    made = await scene.admin.result("invitation.create", event=scene.event, people=people)
    found: list[Message] = made["invitations"]
    return found


async def test_an_organiser_leads_and_has_no_vote(server: Running) -> None:
    admin = await server.connect(fresh("organiser"))
    made = await admin.result(
        "event.create", subject="s", **{"as": "organiser"}, policy=by_count(1), options=["o"]
    )
    event, people = made["event"], [{"user": fresh("ann"), "name": "Ann"}]
    added = await admin.result("membership.add", event=event, people=people)
    assert added["added"] == [people[0]["user"]]
    await admin.ack("event.start", event=event)
    room = await admin.subscribe(event)
    assert room.state["counts"]["members"] == 1
    assert room.you["membership"]["role"] == "organiser"
    proposal = await admin.result(
        "proposal.create", event=event, kind="assumption", category="create", content="x"
    )
    for refused in (
        await admin.send("vote.cast", event=event, proposal=proposal["proposal"], revision=1),
        await admin.send("ballot.clear", event=event),
    ):
        assert refused["code"] == "not_eligible"
    assert (await admin.send("membership.leave", event=event))["code"] == "last_admin"
    ann = await server.connect(people[0]["user"])
    voted = await ann.result("vote.cast", event=event, proposal=proposal["proposal"], revision=1)
    assert (voted["eligible"], voted["status"]) == (1, "accepted")


async def test_an_invitation_opens_one_user_on_every_device(server: Running) -> None:
    scene = await gathering(server, 1, policy={"membership_auto": False})
    people = [{"name": "Ann", "ref": "1"}, {"name": "Ann", "ref": "2"}]
    command: dict[str, Any] = {"event": scene.event, "id": fresh("invite"), "people": people}
    ack = await scene.admin.ack("invitation.create", **command)
    assert await scene.admin.ack("invitation.create", **command) == ack | {"replayed": True}
    status = await scene.admin.ask("command.status", event=scene.event, ids=[command["id"]])
    assert status["commands"][0]["ack"]["result"] == ack["result"]
    secret = ack["result"]["invitations"][0]["secret"]
    first, one = await enter(server, "/invitations", {"secret": secret})
    joined = await first.result("membership.join", invitation=secret)
    assert joined == {"event": scene.event, "status": "accepted"}
    second, other = await enter(server, "/invitations", {"secret": secret})
    assert one["user"] == other["user"]
    assert (await second.ack("membership.join", code=scene.code))["applied"] is False
    room = await scene.admin.subscribe(scene.event)
    shown = room.state["invitations"].values()
    # Only admins see invitations.
    watching = await scene.members[0].subscribe(scene.event)
    assert "invitations" not in {**watching.state, **watching.state["counts"]}
    assert [(row["status"], row.get("user")) for row in shown] == [
        ("used", one["user"]),
        ("open", None),
    ]
    stranger = await server.connect(fresh("thief"))
    refused = await stranger.send("membership.join", invitation=secret)
    assert refused["code"] == "invalid_transition"
    assert refused["details"] == {"path": "invitation", "status": "used"}
    # The token is valid for this event alone, and no other user can have this name.
    assert (await first.send("event.create", subject="x"))["code"] == "forbidden"
    elsewhere = await gathering(server, 0)
    assert (await first.send("membership.join", code=elsewhere.code))["code"] == "not_found"
    link = await asyncpg.connect(server.node.settings.database_url)
    rows = await link.fetch("SELECT j::text FROM journal j WHERE event_id = $1", scene.event)
    await link.close()
    assert not [row for row in rows if secret in row["j"]]
    assert "tables agree" in await audit.verify_event(server.node.database, scene.event)


async def test_one_invitation_used_twice_at_once_on_two_nodes(migrated_url: str) -> None:
    async with running(migrated_url) as one, running(migrated_url) as two:
        scene = await gathering(one, 0, policy={"membership_auto": False})
        for invitation in await invited(scene, "Ann", "Ben", "Cid"):
            clients = [await node.connect(fresh("rival")) for node in (one, two)]
            answers = await asyncio.gather(
                *(
                    client.send("membership.join", invitation=invitation["secret"])
                    for client in clients
                )
            )
            assert sorted(answer["type"] for answer in answers) == ["ack", "error"]
        (row,) = await invited(scene, "Dot")
        client = await two.connect(fresh("late"))
        revoked, joined = await asyncio.gather(
            scene.admin.ack("invitation.revoke", event=scene.event, invitation=row["invitation"]),
            client.send("membership.join", invitation=row["secret"]),
        )
        assert joined["type"] == "error" or joined["seq"] < revoked["seq"]
        assert "tables agree" in await audit.verify_event(one.node.database, scene.event)


async def test_a_revoked_invitation_opens_nothing(server: Running) -> None:
    scene = await gathering(server, 0)
    used, unused = await invited(scene, "Ann", "Ben")
    ann, _ = await enter(server, "/invitations", {"secret": used["secret"]})
    await ann.ack("membership.join", code=scene.code)
    ben, _ = await enter(server, "/invitations", {"secret": unused["secret"]})
    for row in (used, unused):
        await scene.admin.ack("invitation.revoke", event=scene.event, invitation=row["invitation"])
        answer = await post(server, "/invitations", {"secret": row["secret"]})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await ben.send("membership.join", code=scene.code))["code"] == "not_found"
    # The membership stays.
    assert (await ann.ack("membership.rename", event=scene.event, name="Anna"))["applied"]


async def test_a_guest_joins_where_guests_are_welcome(server: Running, migrated_url: str) -> None:
    closed = await gathering(server, 0)
    refused = await post(server, "/guests", {"code": closed.code, "name": "Gil"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with running(migrated_url, guests="on") as open_server:
        scene = await gathering(open_server, 0, policy={"membership_auto": True})
        body = {"code": scene.code, "name": "Gil"}
        assert (await post(open_server, "/guests", body)).status_code == 403
        await scene.admin.ack(
            "event.set_policy", event=scene.event, policy_version=1, policy={"guests": True}
        )
        guest, entry = await enter(open_server, "/guests", body)
        assert entry["user"].startswith("guest:")
        await guest.ack("membership.join", code=scene.code)
        room = await guest.subscribe(scene.event)
        assert room.state["members"][entry["user"]] == {"name": "Gil", "role": "member"}
        await guest.ack("membership.leave", event=scene.event)
        # A guest who returns is the same user, while the policy permits guests.
        await guest.ack("membership.join", code=scene.code)
        await guest.ack("membership.leave", event=scene.event)
        await scene.admin.ack(
            "event.set_policy", event=scene.event, policy_version=2, policy={"guests": None}
        )
        assert (await guest.send("membership.join", code=scene.code))["code"] == "forbidden"
        wrong = await post(open_server, "/guests", {"code": "ZZZZZZ", "name": "Gil"})
        assert wrong.status_code == 404
        # No other token can name such a user.
        impostor = await open_server.open()
        await impostor.say({"type": "hello", "token": token(entry["user"])})
        await impostor.gone()


async def test_requests_are_found_by_name(server: Running) -> None:
    scene = await gathering(server, 1, policy={"membership_auto": False})
    for user in (fresh("waiting"), fresh("Waiting"), fresh("other")):
        client = await server.connect(user)
        await client.ack("membership.join", code=scene.code)
    page = await scene.admin.ask("requests.list", event=scene.event, search="WAITING", limit=1)
    assert len(page["requests"]) == 1
    rest = await scene.admin.ask(
        "requests.list", event=scene.event, search="WAITING", before=page["next"]
    )
    assert (len(rest["requests"]), "next" in rest) == (1, False)
