"""TypeScript that compiles only where the client's types name exactly the server's fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from protocol import requests, state
from protocol.commands import COMMANDS, type_of
from protocol.errors import ERRORS
from protocol.messages import Ack, Limits, Welcome
from protocol.results import RESULTS

#: Fields that the client gives by itself.
_OWN = frozenset({"id", "type", "ref"})
#: Queries for which the client has methods of its own.
_METHODS = (requests.Hello, requests.Auth, requests.Subscribe, requests.Unsubscribe)
_STATE: dict[str, type[msgspec.Struct]] = {
    "EventState": state.Event,
    "Policy": state.EventPolicy,
    "Option": state.Option,
    "Assumption": state.Assumption,
    "Criterion": state.Criterion,
    "Decision": state.Decision,
    "Proposal": state.Proposal,
    "Comment": state.Comment,
    "Member": state.Member,
    "JoinRequest": state.JoinRequest,
    'State["counts"]': state.Counts,
    "Results": state.Results,
    "State": state.AdminState,
    "You": state.You,
    'You["membership"]': state.Membership,
    'NonNullable<You["ballot"]>': state.Ballot,
    "Limits": Limits,
}
_PREAMBLE = """\
import type {
  Ack, Args, Assumption, AyesError, CommandType, Commands, Comment, Criterion, Decision, ErrorCode,
  EventState, JoinRequest, Limits, Member, Option, Policy, Proposal, QueryArgs, QueryType, Results,
  State, Welcome, You,
} from "../../../clients/js/ayes.js";

type Names<T> = Record<T extends unknown ? keyof T : never, true>;
type Optional<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];
/** What the client alone says of itself. */
type Own =
  "stopped" | "closed" | "cancelled" | "room_closed" | "not_sent" | "unanswered" | "unreachable";
"""


def _fields(
    struct: type[msgspec.Struct], *, optional: bool = False, own: frozenset[str] = _OWN
) -> set[str]:
    return {
        field.encode_name
        for field in msgspec.structs.fields(struct)
        if not optional or not field.required
    } - own


def _tag(request: type[msgspec.Struct]) -> str:
    return str(request.__struct_config__.tag)


def _structs(result: Any) -> list[type[msgspec.Struct]]:
    """The shapes that a result may have."""
    return [part for part in get_args(result) or (result,) if isinstance(part, type)]


def _lines() -> Iterator[tuple[str, set[str]]]:
    yield "Record<CommandType, true>", {type_of(command) for command in COMMANDS}
    asked = [_tag(request) for request in requests.REQUESTS if request not in _METHODS]
    yield "Record<QueryType, true>", set(asked)
    yield "Record<Exclude<ErrorCode, Own>, true>", {str(code) for code in ERRORS}
    for command in COMMANDS:
        name = type_of(command)
        yield f'Names<Args<"{name}">>', _fields(command)
        yield f'Record<Optional<Args<"{name}">>, true>', _fields(command, optional=True)
        shapes = _structs(RESULTS[command])
        fields = set().union(*(_fields(shape) for shape in shapes))
        yield f'Names<Commands["{name}"]["result"]>', fields
    for request in requests.REQUESTS:
        if request not in _METHODS:
            yield f'Names<QueryArgs<"{_tag(request)}">>', _fields(request)
    for name, struct in _STATE.items():
        yield f"Names<{name}>", _fields(struct, own=frozenset())
    yield 'Names<Omit<Ack, "id" | "type">>', _fields(Ack)
    yield 'Names<Omit<Welcome, "type">>', _fields(Welcome)


def tables() -> str:
    """A constant for each table; an object literal with a missing or extra key does not compile."""
    consts = []
    for number, (kind, keys) in enumerate(_lines()):
        literal = json.dumps(dict.fromkeys(sorted(keys), True))
        consts.append(f"export const t{number}: {kind} = {literal};")
    return _PREAMBLE + "\n".join(consts) + "\n"
