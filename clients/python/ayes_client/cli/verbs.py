"""The commands of ``ayes-client`` and their arguments, in one table: ``VERBS``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import orjson

from ayes_client.cli import acting as act
from ayes_client.cli import looking as look
from ayes_client.cli.acting import Run
from ayes_client.cli.inviting import invite
from ayes_client.cli.pasted import entrance_code, event_id
from ayes_client.state import Json

Add: TypeAlias = Callable[[argparse.ArgumentParser], None]


class Verb(NamedTuple):
    """One of the commands of ``ayes-client``.

    ``endless``: it runs until it is interrupted. ``may_be_timed``: or for ``--timeout``, if given.
    """

    name: str
    help: str
    add: Add
    run: Run
    has_id: bool = False
    endless: bool = False
    may_be_timed: bool = False


def _field(text: str) -> tuple[str, object]:
    """``name=text`` or ``name:=json``."""
    name, found, value = text.partition("=")
    if not found or not name.rstrip(":"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither name=text nor name:=json")
    if not name.endswith(":"):
        return name, value
    return name[:-1], _json(value)


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as err:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {err}") from None


def _json_object(text: str) -> Json:
    found = _json(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return found


# The arguments of each.


def _nothing(parser: argparse.ArgumentParser) -> None:
    pass


def _event(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", type=event_id, metavar="EVENT", help="the event's id, or a link")


def _proposal(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument("proposal", metavar="PROPOSAL", help="the proposal: its id or exact words")


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="ids of commands: show what became of them instead"
    )


def _code(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code", type=entrance_code, metavar="CODE", help="the entrance code, or a link to join"
    )


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", metavar="SUBJECT", help="what is to be decided")
    for name in ("option", "assumption", "criterion"):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="TEXT", help=f"one {name}; repeatable"
        )
    parser.add_argument("--open", action="store_true", help="let in everyone who has the code")
    parser.add_argument(
        "--organiser", action="store_true", help="run the event without a vote in it"
    )
    parser.add_argument(
        "--max-members", type=int, metavar="N", help="how many members there may be"
    )
    parser.add_argument("--code", metavar="CODE", help="the entrance code; by default one is made")
    parser.add_argument(
        "--policy", type=_json_object, metavar="JSON", help="the policy, or a part of one"
    )


def _propose_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument("kind", choices=("assumption", "criterion", "conclusion"))
    parser.add_argument("content", nargs="?", metavar="TEXT", help="the proposed words")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--update", metavar="ITEM", help="change this item: its id or exact words")
    what.add_argument("--delete", metavar="ITEM", help="delete this item: its id or exact words")
    what.add_argument(
        "--of",
        metavar="CRITERION",
        help="the criterion of a new conclusion: its id or exact words",
    )
    parser.add_argument(
        "--base-version", type=int, metavar="N", help="the item's version; by default the one shown"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why")


def _vote_arguments(parser: argparse.ArgumentParser) -> None:
    _proposal(parser)
    parser.add_argument(
        "--revision",
        type=int,
        metavar="N",
        help="the proposal's revision; by default the one shown",
    )
    parser.add_argument(
        "--stance",
        choices=("agree", "against", "abstain"),
        default="agree",
        help="what the vote says; some events allow agree only (default agree)",
    )


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument(
        "proposal",
        nargs="?",
        metavar="PROPOSAL",
        help="its id or exact words: wait until it is closed; by default until the event ends",
    )


def _invite_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument(
        "--csv",
        required=True,
        metavar="FILE",
        help="the list: one person a line, or columns name and ref; - is stdin",
    )
    parser.add_argument(
        "--page", metavar="URL", help="the page's address in the links; by default the server's"
    )


def _approve_arguments(parser: argparse.ArgumentParser) -> None:
    _proposal(parser)
    parser.add_argument(
        "--allow-stale", action="store_true", help="even if the item has changed since"
    )


def _reason_arguments(parser: argparse.ArgumentParser) -> None:
    _proposal(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why")


def _comment_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument("text", metavar="TEXT")
    on = parser.add_mutually_exclusive_group(required=True)
    on.add_argument(
        "--proposal", metavar="PROPOSAL", help="on this proposal: its id or exact words"
    )
    on.add_argument(
        "--criterion", metavar="CRITERION", help="on this criterion: its id or exact words"
    )


def _ballot_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="OPTION [CRITERION…]",
        help="the option chosen, by its id or exact words; then all criteria, the weightiest "
        "first, or none",
    )
    parser.add_argument(
        "--option",
        dest="options",
        action="append",
        default=[],
        metavar="OPTION",
        help="an option, by its id or exact words; repeat it for each that you approve, or for "
        "all you rank, the best first",
    )
    parser.add_argument("--clear", action="store_true", help="take the ballot back")
    parser.add_argument(
        "--base",
        type=int,
        metavar="N",
        help="replace only the ballot of this revision; 0: none stands yet",
    )


def _user_arguments(parser: argparse.ArgumentParser) -> None:
    _event(parser)
    parser.add_argument("user", nargs="?", metavar="USER", help="the user's id")
    parser.add_argument("--all", action="store_true", help="everyone who waits")
    parser.add_argument(
        "--upto",
        type=int,
        metavar="POSITION",
        help="with --all: only those who had asked by this position",
    )


def _send_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type", metavar="TYPE", help="such as option.add, or events.list")
    parser.add_argument(
        "fields", nargs="*", type=_field, metavar="FIELD", help="name=text or name:=json"
    )


VERBS: tuple[Verb, ...] = (
    Verb("events", "list your events, the newest first", _nothing, look.events),
    Verb(
        "status",
        "show the state of an event, or the results of commands",
        _status_arguments,
        look.status,
    ),
    Verb("watch", "show an event, and go on as it changes", _event, look.watch, endless=True),
    Verb(
        "wait",
        "wait until a proposal is closed, or the event is finished",
        _wait_arguments,
        look.wait,
        endless=True,
        may_be_timed=True,
    ),
    Verb("overview", "show what an entrance code opens, before joining", _code, look.overview),
    Verb("create", "make an event, and be its first admin", _create_arguments, act.create, True),
    Verb("join", "join by an entrance code", _code, act.join, True),
    Verb(
        "invite",
        "invite the people of a CSV file; prints their links",
        _invite_arguments,
        invite,
        True,
    ),
    Verb("admit", "let in an applicant", _user_arguments, act.admit, True),
    Verb("deny", "turn an applicant away", _user_arguments, act.deny, True),
    Verb("start", "start the event", _event, act.leading("event.start"), True),
    Verb("pause", "pause the event", _event, act.leading("event.pause"), True),
    Verb("resume", "go on after a pause", _event, act.leading("event.resume"), True),
    Verb(
        "finish",
        "finish the event and count the ballots",
        _event,
        act.leading("event.finish"),
        True,
    ),
    Verb("propose", "propose a change", _propose_arguments, act.propose, True),
    Verb("vote", "vote on a proposal", _vote_arguments, act.vote, True),
    Verb("retract", "take your vote back", _proposal, act.retract, True),
    Verb("approve", "decide for a proposal, as an admin", _approve_arguments, act.approve, True),
    Verb("reject", "decide against a proposal, as an admin", _reason_arguments, act.reject, True),
    Verb("withdraw", "take your own proposal back", _reason_arguments, act.withdraw, True),
    Verb("comment", "comment on a proposal or a criterion", _comment_arguments, act.comment, True),
    Verb("ballot", "give your final ballot, or take it back", _ballot_arguments, act.ballot, True),
    Verb("results", "show the counted ballots of a finished event", _event, look.results),
    Verb("send", "send any command or query", _send_arguments, act.send, True),
)
