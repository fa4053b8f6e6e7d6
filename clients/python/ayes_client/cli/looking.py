"""The commands of ``ayes-client`` that only read."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from ayes_client.cli.exits import EXIT_DONE, EXIT_NOT_CARRIED
from ayes_client.cli.naming import named
from ayes_client.cli.output import (
    MEMBERSHIPS,
    Output,
    moved,
    plain,
    results_words,
    some,
    summary,
    tally,
)
from ayes_client.client import Client
from ayes_client.errors import AyesError

Arguments: TypeAlias = argparse.Namespace


async def events(client: Client, arguments: Arguments, output: Output) -> int:
    async for event in client.paged("events.list"):
        role = event.get("role", event["membership"])
        words = f"{event['id']}  {event['status']:<12} {role:<8} {plain(event['subject'])}"
        output.print(event, words)
    return 0


async def status(client: Client, arguments: Arguments, output: Output) -> int:
    if arguments.ids:
        return await _statuses(client, arguments, output)
    room = await client.subscribe(arguments.event)
    position = {"event": room.event, "epoch": room.epoch, "seq": room.seq}
    lines = summary(room.state, room.you, room.seq)
    output.print({**position, "state": room.state, "you": room.you}, *lines)
    return 0


async def _statuses(client: Client, arguments: Arguments, output: Output) -> int:
    asked = {"event": arguments.event, "ids": arguments.ids}
    answer = await client.ask({"type": "command.status", **asked})
    worst = 0
    for found in answer["commands"]:
        words = f"{found['id']}  {found['state']}"
        match found["state"]:
            case "committed":
                words += f" (#{found['ack']['seq']})"
            case "refused":
                worst = max(worst, 3)
                words += f" ({found['error']['code']})"
            case _:
                worst = 6
        output.print(found, words)
    return worst


async def watch(client: Client, arguments: Arguments, output: Output) -> int:
    room = await client.subscribe(arguments.event)
    client.on("status", lambda status: _line(client, output, status))
    shown = room.state
    async for change in room:
        before, shown = shown, room.state
        position = {"event": room.event, "from": change.from_seq, "seq": change.seq}
        if change.patch is None:
            whole = {"state": room.state, "you": room.you, "reason": change.reason}
            output.print({**position, **whole}, *summary(room.state, room.you, room.seq))
        else:
            lines = [f"#{change.seq}  {line}" for line in moved(before, shown, change.patch)]
            output.print({**position, "patch": change.patch}, *lines)
    output.complain(f"the room was closed: {room.closed}")
    return 3


async def wait(client: Client, arguments: Arguments, output: Output) -> int:
    room = await client.subscribe(arguments.event)
    if arguments.proposal is None:
        await room.until(lambda room: room.state["event"]["status"] == "finished")
        results = room.state.get("results")
        output.print(
            {"event": room.event, "status": "finished", "results": results},
            *(() if results is None else results_words(room.state)),
        )
        return EXIT_DONE
    proposal = named(room, "proposals", arguments.proposal)
    room.shown("proposals", proposal)
    found = await room.decided(proposal)
    votes = tally(room.state, proposal)
    output.print(
        {"event": room.event, "proposal": proposal, **found._asdict()},
        f"proposal {proposal} is {found.status} ({found.how}), {votes}",
    )
    return EXIT_DONE if found.carried else EXIT_NOT_CARRIED


def _line(client: Client, output: Output, status: str) -> None:
    """Print on stderr when the connection is lost, and when it is back."""
    if status == "waiting":
        output.complain(f"no connection: {client.trouble}; trying again")
    elif status == "open":
        output.complain("connected again")


async def overview(client: Client, arguments: Arguments, output: Output) -> int:
    found = await client.query("event.overview", {"code": arguments.code})
    lines = [
        f"{plain(found['subject'])}  [{found['status']}]",
        f"event {found['event']}, {found['members']} of {found['max_members']} members",
        f"admins: {', '.join(plain(name, 40) for name in found['admins'])}",
        *(f"  {option['id']}  {plain(option['content'])}" for option in found["options"]),
    ]
    if "membership" in found:
        mine = found["membership"]
        lines.append(f"you are {MEMBERSHIPS[mine.get('role', mine['status'])]}")
    output.print(found, *lines)
    return 0


async def results(client: Client, arguments: Arguments, output: Output) -> int:
    room = await client.subscribe(arguments.event)
    if "results" not in room.state:
        status = room.state["event"]["status"]
        ballots = room.state.get("counts", {}).get("ballots", 0)
        raise _no_results(f"the event is {status}; {some(ballots, 'ballot')} so far", room.event)
    output.print(room.state["results"], *results_words(room.state))
    return 0


def _no_results(words: str, event: str) -> AyesError:
    error = AyesError(words, event=event)
    error.code = "no_results"
    return error
