"""The commands of ``ayes-client`` that change something, each under an id of its own."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeAlias

import orjson

from ayes_client._wire.error_message import from_message
from ayes_client._wire.moments import text_of
from ayes_client.cli.naming import is_id, named
from ayes_client.cli.output import Output, UsageError, needed_by, plain, tally_words
from ayes_client.cli.page_settings import takes_no_guests
from ayes_client.client import Client
from ayes_client.command import Ack, Command
from ayes_client.ids import new_id
from ayes_client.state import Json

Arguments: TypeAlias = argparse.Namespace
Run: TypeAlias = Callable[[Client, Arguments, Output], Awaitable[int]]

#: The types of queries. ``send`` takes queries and commands.
QUERIES = (
    *("command.status", "events.list", "event.overview", "event.preview_policy"),
    *("comments.list", "proposals.list", "members.list", "requests.list"),
    "invitations.list",
    *("ballots.list", "ballot.receipt"),
    *("votes.list", "turnout.list"),
)


def sent_id(arguments: Arguments) -> str | None:
    """Return the id of the command that was given to the client, if one was."""
    found: str | None = getattr(arguments, "given_id", None)
    return found


def repeat_options(arguments: Arguments) -> str:
    """Return the options that make the same command again.

    ``--not-after`` is a time then: the same seconds, counted from later, are another command.
    """
    until: datetime | None = getattr(arguments, "given_until", None)
    time = "" if until is None else f" --not-after {text_of(until)}"
    return f"--id {sent_id(arguments)}{time}"


async def give(client: Client, arguments: Arguments, type: str, args: Json) -> Ack:
    """Give a command, under ``--id`` or a new one, with ``--not-after`` and ``--once``.

    Raises ``UsageError`` for a time that is too far away.
    """
    until = arguments.not_after
    if isinstance(until, float):
        try:
            until = client.now() + timedelta(seconds=until)
        except OverflowError:
            raise UsageError(f"--not-after: {until:g} seconds are too many") from None
    arguments.given_id, arguments.given_until = arguments.id or new_id(), until
    args, event = dict(args), args.get("event")
    args.pop("event", None)
    return await client.send(
        Command(
            type=type,
            event=event,
            args=args,
            id=arguments.given_id,
            not_after=until,
            once=arguments.once,
        )
    )


async def _earlier_answer(client: Client, arguments: Arguments) -> Ack | None:
    """Return the ack that ``--id`` got before. Raises the error that it got.

    Needed if fields of the command come from the room: the room may have moved since, and the same
    id with other fields would be another command.
    """
    if arguments.id is None:
        return None
    asked = {"event": arguments.event, "ids": [arguments.id]}
    answer = await client.ask({"type": "command.status", **asked})
    found = answer["commands"][0]
    if found["state"] == "committed":
        return Ack.from_message({**found["ack"], "replayed": True})
    if found["state"] == "refused":
        raise from_message({**found["error"], "replayed": True})
    return None


async def _named(client: Client, arguments: Arguments, collection: str, text: str) -> str:
    """Return the id of what ``text`` names. An id needs no room, and another text needs it."""
    if is_id(text):
        return text
    return named(await client.subscribe(arguments.event), collection, text)


# Taking part.


async def create(client: Client, arguments: Arguments, output: Output) -> int:
    policy: Json = dict(arguments.policy or {})
    if arguments.open:
        policy["membership_auto"] = True
    args = {
        "subject": arguments.subject,
        "options": arguments.option,
        "assumptions": arguments.assumption,
        "criteria": arguments.criterion,
        "policy": policy,
        "max_members": arguments.max_members,
        "entrance_code": arguments.code,
        "as": "organiser" if arguments.organiser else None,
    }
    wanted = {name: value for name, value in args.items() if value not in (None, [], {})}
    if policy.get("guests") and await takes_no_guests(arguments.url):
        output.complain(
            "this server takes no guests (AYES_GUESTS is off): the policy's guests has no effect"
        )
    ack = await give(client, arguments, "event.create", wanted)
    output.ack(ack, f"made event {ack.event}, entrance code {ack.result['entrance_code']}")
    return 0


async def join(client: Client, arguments: Arguments, output: Output) -> int:
    ack = await give(client, arguments, "membership.join", {"code": arguments.code})
    waits = "in" if ack.result["status"] == "accepted" else "waiting to be let in"
    output.ack(ack, f"event {ack.event}: you are {waits}")
    return 0


async def propose(client: Client, arguments: Arguments, output: Output) -> int:
    category = "update" if arguments.update else "delete" if arguments.delete else "create"
    target = arguments.update or arguments.delete or arguments.of
    if (arguments.content is None) != (category == "delete"):
        raise UsageError("a deletion has no words, and anything else needs some")
    ack = await _earlier_answer(client, arguments)
    if ack is None:
        version = arguments.base_version
        kept = "assumptions" if arguments.kind == "assumption" else "criteria"
        if target is not None:
            target = await _named(client, arguments, kept, target)
        if target is not None and version is None:
            room = await client.subscribe(arguments.event)
            field = "conclusion_version" if arguments.kind == "conclusion" else "version"
            version = room.shown(kept, target)[field]
        args = {
            "event": arguments.event,
            "kind": arguments.kind,
            "category": category,
            "content": arguments.content,
            "target": target,
            "base_version": version,
            "reason": arguments.reason,
        }
        wanted = {name: value for name, value in args.items() if value is not None}
        ack = await give(client, arguments, "proposal.create", wanted)
    output.ack(ack, f"proposal {ack.result['proposal']} is {ack.result['status']}")
    return 0


async def vote(client: Client, arguments: Arguments, output: Output) -> int:
    revision = arguments.revision
    from_room = revision is None or not is_id(arguments.proposal)
    ack = await _earlier_answer(client, arguments) if from_room else None
    if ack is None:
        arguments.proposal = await _named(client, arguments, "proposals", arguments.proposal)
        if revision is None:
            room = await client.subscribe(arguments.event)
            revision = room.shown("proposals", arguments.proposal)["revision"]
        args = {"event": arguments.event, "proposal": arguments.proposal, "revision": revision}
        stance = {} if arguments.stance == "agree" else {"stance": arguments.stance}
        ack = await give(client, arguments, "vote.cast", {**args, **stance})
    output.ack(ack, f"{_votes(client, arguments, ack)}: {ack.result['status']}")
    return 0


def _votes(client: Client, arguments: Arguments, ack: Ack) -> str:
    """Describe the counts of an ack, with the number needed if the room is at hand."""
    room, needed = client.rooms.get(arguments.event), None
    if room is not None and arguments.proposal in room.state["proposals"]:
        needed = needed_by(room.tally(arguments.proposal))
    words = tally_words(ack.result, needed)
    head, comma, rest = words.partition(", ")
    return f"{head} agree{comma}{rest}" if "agree" in ack.result else words


async def retract(client: Client, arguments: Arguments, output: Output) -> int:
    ack = await _about(client, arguments, "vote.retract", "proposal", {})
    output.ack(ack, _votes(client, arguments, ack))
    return 0


async def approve(client: Client, arguments: Arguments, output: Output) -> int:
    more = {"allow_stale": True} if arguments.allow_stale else {}
    return await _close(client, arguments, output, "proposal.accept", more)


async def reject(client: Client, arguments: Arguments, output: Output) -> int:
    return await _close(client, arguments, output, "proposal.reject", _reason(arguments))


async def withdraw(client: Client, arguments: Arguments, output: Output) -> int:
    return await _close(client, arguments, output, "proposal.withdraw", _reason(arguments))


async def _about(client: Client, arguments: Arguments, type: str, field: str, more: Json) -> Ack:
    """Give a command about the proposal or the criterion that ``field`` of the arguments names."""
    text = getattr(arguments, field)
    ack = None if is_id(text) else await _earlier_answer(client, arguments)
    if ack is None:
        collection = "proposals" if field == "proposal" else "criteria"
        id = await _named(client, arguments, collection, text)
        setattr(arguments, field, id)
        ack = await give(client, arguments, type, {"event": arguments.event, field: id, **more})
    return ack


def _reason(arguments: Arguments) -> Json:
    return {} if arguments.reason is None else {"reason": arguments.reason}


async def _close(
    client: Client, arguments: Arguments, output: Output, type: str, more: Json
) -> int:
    ack = await _about(client, arguments, type, "proposal", more)
    found = ack.result
    output.ack(ack, f"proposal {arguments.proposal} is {found['status']} ({found['resolution']})")
    return 0


async def comment(client: Client, arguments: Arguments, output: Output) -> int:
    on = "proposal" if arguments.proposal else "criterion"
    ack = await _about(client, arguments, "comment.add", on, {"content": arguments.text})
    output.ack(ack, f"comment {ack.result['comment']}")
    return 0


async def ballot(client: Client, arguments: Arguments, output: Output) -> int:
    if arguments.clear and arguments.base is not None:
        raise UsageError("--base is for a ballot that replaces another one")
    if arguments.clear:
        cleared = await give(client, arguments, "ballot.clear", {"event": arguments.event})
        output.ack(cleared, "your ballot is taken back")
        return 0
    options, criteria = arguments.options, arguments.words
    if not options:
        options, criteria = criteria[:1], criteria[1:]
    if not options:
        raise UsageError("name an option, or --clear")
    base = {} if arguments.base is None else {"base": arguments.base}
    ack = await _earlier_answer(client, arguments)
    if ack is None:
        room = await client.subscribe(arguments.event)
        policy = room.state["event"].get("policy")
        method = policy.get("ballot", {}).get("method", "single") if policy else "single"
        if method == "single" and len(options) > 1:
            raise UsageError("this event's ballot takes one option")
        options = [named(room, "options", text) for text in options]
        criteria = [named(room, "criteria", text) for text in criteria]
        args = {
            "event": arguments.event,
            **({"option": options[0]} if method == "single" else {"options": options}),
            **({"criterion_order": criteria} if criteria else {}),
            "criteria_rev": room.state["event"].get("criteria_rev", 1),
            **base,
        }
        ack = await give(client, arguments, "ballot.submit", args)
    output.ack(ack, "your ballot is given")
    return 0


# Deciding who takes part, and when.


async def admit(client: Client, arguments: Arguments, output: Output) -> int:
    return await _decide(client, arguments, output, "approve")


async def deny(client: Client, arguments: Arguments, output: Output) -> int:
    return await _decide(client, arguments, output, "reject")


async def _decide(client: Client, arguments: Arguments, output: Output, what: str) -> int:
    if (arguments.user is None) != arguments.all:
        raise UsageError("name a user, or --all")
    if arguments.upto is not None and not arguments.all:
        raise UsageError("--upto goes with --all")
    if arguments.all:
        upto = {} if arguments.upto is None else {"upto": arguments.upto}
        args = {"event": arguments.event, **upto}
        ack = await give(client, arguments, f"membership.{what}_all", args)
        decided = _number(ack, "rejected" if what == "reject" else "approved")
        words = f"{'turned away' if what == 'reject' else 'let in'}: {decided}"
        output.ack(ack, f"{words}, still waiting: {_number(ack, 'waiting')}")
    else:
        args = {"event": arguments.event, "user": arguments.user}
        ack = await give(client, arguments, f"membership.{what}", args)
        output.ack(ack, f"{plain(arguments.user)} is {ack.result['status']}")
    return 0


def _number(ack: Ack, of: str) -> int:
    """Return how many users a result names, or its count if it does not name all."""
    counted: int | None = ack.result.get(f"{of}_count")
    return len(ack.result.get(of, [])) if counted is None else counted


def leading(type: str) -> Run:
    async def lead(client: Client, arguments: Arguments, output: Output) -> int:
        ack = await give(client, arguments, type, {"event": arguments.event})
        output.ack(ack, f"the event is {ack.result['status']}")
        return 0

    return lead


# Anything else.


async def send(client: Client, arguments: Arguments, output: Output) -> int:
    args = dict(arguments.fields)
    if arguments.type in QUERIES:
        if arguments.not_after is not None or arguments.once:
            raise UsageError("--not-after and --once are for commands, and this is a query")
        answer = await client.ask({"type": arguments.type, **args})
        output.print(answer, orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return 0
    ack = await give(client, arguments, arguments.type, args)
    output.ack(ack, orjson.dumps(ack.result).decode())
    return 0
