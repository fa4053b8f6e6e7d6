"""``ayes-client`` from outside: a process, its output, its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ayes_client.cli import exits
from ayes_client.cli.output import plain
from ayes_client.errors import CODES, Closed, NotSent, OutboxError, Stopped, Unanswered
from tests.clients.line import line_to
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.terminal import Run, Said, ended, start
from tests.clients.python.waiting import eventually
from tests.parts import free_port
from tests.promises.running import ROOT, Running, token
from tests.promises.scenes import BY_HAND, fresh


# Some thirty programs, one after another.
@pytest.mark.timeout(400)
async def test_a_decision_from_the_terminal_alone(run: Run) -> None:
    ada, bob = fresh("ada"), fresh("bob")
    policy = json.dumps(BY_HAND)
    made = await run(
        *(ada, "create", "Where do we eat?", "--option", "Market", "--option", "Home"),
        *("--criterion", "Close by", "--assumption", "An hour", "--policy", policy, "--json"),
    )
    assert made.status == 0
    event, code = made.json["result"]["event"], made.json["result"]["entrance_code"]
    listed = await run(ada, "events")
    assert listed.out.split() == [event, "not_started", "admin", "Where", "do", "we", "eat?"]
    seen = await run(bob, "overview", code)
    assert "admins: " + ada.title() in seen.out
    joined = await run(bob, "join", code)
    assert joined == Said(0, f"event {event}: you are waiting to be let in (#2)\n", "")
    assert (await run(ada, "admit", event, bob)).out == f"{bob} is accepted (#3)\n"
    assert (await run(ada, "start", event)).out == "the event is in_progress (#4)\n"
    proposed = await run(bob, "propose", event, "assumption", "It rains", "--json")
    first = proposed.json["result"]["proposal"]
    assert (await run(bob, "vote", event, first)).out == "1 of 2 agree: pending (#6)\n"
    assert (await run(bob, "retract", event, first)).out == "0 of 2 agree (#7)\n"
    said = await run(ada, "comment", event, "Are you sure?", "--proposal", first)
    assert said.status == 0
    approved = await run(ada, "approve", event, first)
    assert approved.out == f"proposal {first} is accepted (admin) (#9)\n"
    second = (await run(bob, "propose", event, "criterion", "Cheap", "--json")).json["result"]
    rejected = await run(ada, "reject", event, second["proposal"], "--reason", "too cheap")
    assert rejected.out == f"proposal {second['proposal']} is rejected (admin) (#11)\n"
    third = (await run(bob, "propose", event, "criterion", "Warm", "--json")).json["result"]
    withdrawn = await run(bob, "withdraw", event, third["proposal"])
    assert withdrawn.out == f"proposal {third['proposal']} is deleted (withdrawn) (#13)\n"
    state = (await run(bob, "status", event, "--json")).json["state"]
    [criterion], [option, _] = state["criteria"], sorted(state["options"])
    changed = await run(
        bob, "propose", event, "criterion", "Closer", "--update", criterion, "--json"
    )
    assert (await run(ada, "approve", event, changed.json["result"]["proposal"])).status == 0
    concluded = await run(bob, "propose", event, "conclusion", "Market is", "--of", criterion)
    assert concluded.status == 0
    ballot = await run(bob, "ballot", event, option, criterion)
    assert ballot.out == "your ballot is given (#17)\n"
    assert (await run(bob, "ballot", event, "--clear")).status == 0
    assert (await run(bob, "ballot", event, option, criterion)).status == 0
    early = await run(bob, "results", event)
    assert early.status == exits.EXIT_REFUSED
    assert early.err == "ayes-client: no_results: the event is in_progress; 1 ballot so far\n"
    assert (await run(ada, "pause", event)).status == 0
    assert (await run(ada, "resume", event)).status == 0
    assert (await run(ada, "finish", event)).out == "the event is finished (#22)\n"
    results = await run(bob, "results", event)
    assert results.out.startswith("1 of 2 gave a ballot\n  1. ")
    shown = await run(ada, "status", event)
    assert shown.out.startswith("Where do we eat?  [finished]  2 members, 1 ballot  #22\n")


async def test_the_same_id_is_the_same_command(run: Run, connect: Connect) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    wanted = await proposal(room)
    first = await run(user, "vote", room.event, wanted, "--id", "a-vote-of-mine")
    again = await run(user, "vote", room.event, wanted, "--id", "a-vote-of-mine", "--json")
    assert (first.status, again.status) == (0, 0)
    assert again.json["replayed"]
    await room.approve(wanted)
    # The room has moved on; the earlier answers stay as they were.
    late = await run(user, "vote", room.event, wanted, "--id", "a-vote-of-mine", "--json")
    assert (late.status, late.json["seq"]) == (0, again.json["seq"])
    asked = await run(user, "status", room.event, "a-vote-of-mine", "none-of-mine")
    assert asked.status == exits.EXIT_UNKNOWN
    assert asked.out == f"a-vote-of-mine  committed (#{again.json['seq']})\nnone-of-mine  absent\n"


async def test_watching_shows_the_room_and_what_moves_it(server: Running, connect: Connect) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    child = await start(server.url, user, "watch", room.event)
    lines: list[str] = []

    async def read() -> None:
        while line := await child.stdout.readline():
            lines.append(line.decode())

    reading = asyncio.create_task(read())
    await eventually(lambda: any(line.startswith("entrance code") for line in lines))
    wanted = await proposal(room, "It rains")
    await room.vote(wanted)
    await eventually(lambda: any("1 of 1" in line for line in lines))
    assert f"#3  + proposal {wanted}  create assumption  0 of 1  “It rains”" in "".join(lines)
    child.send_signal(signal.SIGINT)
    await reading
    assert await child.wait() == exits.EXIT_INTERRUPTED
    assert await child.stderr.read() == b""


async def test_watching_says_when_it_is_behind(server: Running, connect: Connect) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    async with line_to(server.port) as line:
        child = await start(line.url, user, "watch", room.event, "--json")
        whole = json.loads(await child.stdout.readline())
        assert whole["state"] == room.state
        line.cut()
        assert b"no connection: " in await child.stderr.readline()
        assert b"connected again" in await child.stderr.readline()
        await proposal(room)
        told = json.loads(await child.stdout.readline())
        assert told["from"] == whole["seq"]
        child.send_signal(signal.SIGINT)
        assert (await ended(child)).status == exits.EXIT_INTERRUPTED


async def test_a_reader_that_had_enough_ends_it_quietly(server: Running, connect: Connect) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    watch = f"{shlex.quote(sys.executable)} -m ayes_client.cli watch {room.event} --json"
    child = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{watch} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}"),
        cwd=ROOT,
        env=os.environ | {"AYES_URL": server.url, "AYES_TOKEN": token(user)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ending = asyncio.create_task(ended(child))
    while not ending.done():
        await proposal(room)
        await asyncio.wait([ending], timeout=0.2)
    assert await ending == Said(0, f"{exits.EXIT_BROKEN_PIPE}\n", "")


async def test_refusals_have_their_statuses(run: Run, connect: Connect) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    wanted = await proposal(room)
    await room.approve(wanted)
    late = await run(user, "vote", room.event, wanted, "--revision", "1")
    assert late.status == exits.EXIT_REFUSED
    assert late.out == ""
    assert late.err.startswith("ayes-client: proposal_closed: ")
    assert "resolution admin" in late.err
    refused = await run(user, "vote", room.event, wanted, "--revision", "1", "--json")
    assert refused.json["code"] == "proposal_closed"
    assert refused.json["details"]["resolution"] == "admin"
    other = await proposal(room)
    changed = await run(user, "vote", room.event, other, "--revision", "7")
    assert changed.status == exits.EXIT_FIX
    stranger = await run(fresh("stranger"), "status", room.event)
    assert stranger.status == exits.EXIT_REFUSED
    raw = await run(user, "send", "option.add", f"event={room.event}", "content:=7", "--json")
    assert (raw.status, raw.json["details"]["path"]) == (exits.EXIT_FIX, "content")
    question = await run(user, "send", "members.list", f"event={room.event}", "limit:=5", "--json")
    assert (question.status, question.json["type"]) == (0, "members")


async def test_a_bad_token_and_no_token_are_told_apart(run: Run, server: Running) -> None:
    bad = await run(None, "events", "--token", "no.such.token")
    assert bad.status == exits.EXIT_AUTH
    assert "no.such.token" not in bad.err
    none = await run(None, "events")
    assert none.status == exits.EXIT_USAGE
    assert "AYES_TOKEN" in none.err


async def test_a_token_file_is_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(token(fresh("ada")) + "\n")
    assert (await run(None, "events", "--token-file", str(path))).status == 0
    missing = await run(None, "events", "--token-file", str(tmp_path / "none"))
    assert missing.status == exits.EXIT_USAGE


async def test_no_server_is_told_after_the_timeout(run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    said = await run("ada", "events", "--timeout", "1", url=url)
    assert said.status == exits.EXIT_UNREACHABLE
    assert said.err.startswith(f"ayes-client: unreachable: {url}: ")
    told = await run("ada", "events", "--timeout", "1", "--json", url=url)
    assert (told.json["code"], told.json["effect"]) == ("unreachable", "none")


async def test_a_vote_without_an_answer_says_how_to_settle_it(
    server: Running, connect: Connect, run: Run
) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    wanted = await proposal(room)
    async with line_to(server.port) as line:
        arguments = ("vote", room.event, wanted, "--id", "unheard-vote", "--revision", "1")
        # The welcome passes; the ack does not.
        line.deaf_after = b'"type":"welcome"'
        said = await ended(await start(line.url, user, *arguments, "--timeout", "6"))
    assert said.status == exits.EXIT_UNKNOWN
    assert "--id unheard-vote" in said.err
    settled = await run(user, *arguments, "--json")
    assert (settled.status, settled.json["replayed"]) == (0, True)
    assert room.state["proposals"][wanted]["agree"] == 1


async def test_a_command_past_its_time_has_no_effect(run: Run, connect: Connect) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    wanted = await proposal(room)
    vote = ("vote", room.event, wanted)
    late = await run(user, *vote, "--not-after", "2026-01-01T00:00:00Z", "--json")
    assert (late.status, late.json["code"]) == (exits.EXIT_FIX, "too_late")
    assert room.state["proposals"][wanted]["agree"] == 0
    assert (await run(user, *vote, "--not-after", "600")).status == 0
    assert (
        await run(user, "pause", room.event, "--not-after", "2999-12-31T23:59+09:00")
    ).status == 0


async def test_the_same_id_with_the_same_time_is_the_same_command(
    run: Run, connect: Connect
) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    pause = ("pause", room.event, "--id", "a-pause-of-mine", "--not-after", "2999-01-01T00:00Z")
    assert (await run(user, *pause)).status == 0
    again = await run(user, *pause, "--json")
    assert (again.status, again.json["replayed"]) == (0, True)


async def test_once_is_sent_over_the_present_connection(
    run: Run, server: Running, connect: Connect
) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    assert (await run(user, "pause", room.event, "--once")).status == 0
    async with line_to(server.port) as line:
        # The welcome passes; the ack does not.
        line.deaf_after = b'"type":"welcome"'
        resume = ("resume", room.event, "--once", "--id", "a-resume-once")
        child = await start(line.url, user, *resume, "--not-after", "600", "--timeout", "6")
        await eventually(lambda: room.state["event"]["status"] == "in_progress")
        said = await ended(child)
    assert said.status == exits.EXIT_UNKNOWN
    # A relative time would be another one by then, so the hint to settle it has an absolute time.
    options = re.search(r"`(--id a-resume-once --not-after \S+)`", said.err)
    assert options is not None
    settled = await run(user, *resume, *options[1].split(), "--json")
    assert (settled.status, settled.json["replayed"]) == (0, True)


async def test_a_ballot_replaces_only_its_base(run: Run, connect: Connect) -> None:
    user = fresh("ada")
    client = await connect(user)
    made = await client.command("event.create", {"subject": "Lunch", "options": ["A", "B"]})
    await client.command("event.start", {"event": made.event})
    room = await client.subscribe(made.event)
    first, second = room.state["options"]
    assert (await run(user, "ballot", made.event, first, "--base", "0")).status == 0
    stale = await run(user, "ballot", made.event, second, "--base", "0", "--json")
    assert (stale.status, stale.json["code"]) == (exits.EXIT_FIX, "version_conflict")
    shown = (await run(user, "status", made.event, "--json")).json["you"]["ballot"]
    assert shown["option"] == first
    base = ("--base", str(shown["revision"]))
    assert (await run(user, "ballot", made.event, second, *base)).status == 0


async def test_all_are_those_who_had_asked_by_a_position(run: Run, connect: Connect) -> None:
    user = fresh("ada")
    client = await connect(user)
    made = await client.command("event.create", {"subject": "Lunch"})
    code = {"code": made.result["entrance_code"]}
    shown = (await (await connect(fresh("bob"))).command("membership.join", code)).seq
    await (await connect(fresh("cy"))).command("membership.join", code)
    admitted = await run(user, "admit", made.event, "--all", "--upto", str(shown))
    assert admitted.out.startswith("let in: 1, still waiting: 1 (")
    turned = await run(user, "deny", made.event, "--all", "--upto", str(shown))
    assert turned.out.startswith("turned away: 0, still waiting: 1; there was nothing to change")
    everybody = await run(user, "admit", made.event, "--all")
    assert everybody.out.startswith("let in: 1, still waiting: 0 (")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("vote", "only-an-event"),
        ("vote", "e", "p", "--id", "short"),
        ("events", "--timeout", "0"),
        ("events", "--url", "ftp://example"),
        ("events", "--url", "http://user:secret@localhost"),
        ("ballot", "e"),
        ("admit", "e"),
        ("comment", "e", "words"),
        ("propose", "e", "assumption"),
        ("send", "option.add", "nothing"),
        ("create", "s", "--policy", "[1]"),
        ("pause", "e", "--not-after", "tomorrow"),
        ("pause", "e", "--not-after", "2026-12-01T12:00"),
        ("pause", "e", "--not-after", "-1"),
        ("pause", "e", "--not-after", "nan"),
        ("pause", "e", "--not-after", "1e300"),
        ("admit", "e", "u", "--upto", "3"),
        ("ballot", "e", "--clear", "--base", "1"),
        ("send", "events.list", "--once"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    said = await run("ada", *arguments)
    assert said.status == exits.EXIT_USAGE
    assert "Traceback" not in said.err
    assert said.err


async def test_the_servers_command_forwards(run: Run) -> None:
    user = fresh("ada")
    made = await run(user, "create", "Lunch", module="server.cli")
    assert made.status == 0
    failed = await run(user, "join", "ZZZZZ8", module="server.cli")
    assert failed.status == exits.EXIT_REFUSED
    assert failed.err.startswith("ayes: not_found")


def test_without_the_client_the_server_says_what_to_install() -> None:
    hidden = "import sys; sys.modules['ayes_client'] = None; "
    code = hidden + "from server.cli.main import main; sys.exit(main(['vote', 'e', 'p']))"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert said.returncode == 127
    assert "pip install" in said.stderr
    assert "Traceback" not in said.stderr


def test_every_error_has_a_status() -> None:
    found = {code: exits.status_of(kind()) for code, kind in CODES.items()}
    assert {found[code] for code in ("unauthenticated", "auth_expired")} == {exits.EXIT_AUTH}
    assert {found[code] for code in ("timeout", "commit_unknown", "internal")} == {
        exits.EXIT_UNKNOWN
    }
    assert {found[code] for code in ("busy", "rate_limited", "draining")} == {
        exits.EXIT_UNREACHABLE
    }
    assert {code for code, status in found.items() if status == exits.EXIT_FIX} == {
        code for code, kind in CODES.items() if kind.retry == "fix"
    }
    assert {code for code, status in found.items() if status == exits.EXIT_REFUSED} == {
        code for code, kind in CODES.items() if kind.retry == "no"
    }
    assert exits.status_of(Closed()) == exits.EXIT_AUTH
    assert exits.status_of(OutboxError()) == exits.EXIT_UNREACHABLE
    assert exits.status_of(Stopped()) == exits.EXIT_UNKNOWN
    assert exits.status_of(NotSent()) == exits.EXIT_UNREACHABLE
    assert exits.status_of(Unanswered()) == exits.EXIT_UNKNOWN


def test_texts_cannot_move_the_cursor() -> None:
    assert plain("red \x1b[31malert\x07\nnext\u202e line") == "red [31malert next line"
    assert len(plain("x" * 500)) == 72
