"""Queries over HTTP: which request asks each of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from ayes_client.state import Json

#: Query → the last part of the path of its page, below its event.
PAGES = {
    "comments.list": "comments",
    "proposals.list": "proposals",
    "members.list": "members",
    "requests.list": "requests",
    "invitations.list": "invitations",
    "ballots.list": "ballots",
    "ballot.receipt": "receipt",
}


def paths_of(query: Json) -> list[str] | None:
    """Return the paths to GET for a query; ``None`` if it needs a WebSocket.

    ``command.status`` asks for each of its ids; their answers are joined by ``joined``.
    """
    kind, event = query["type"], quote(str(query.get("event", "")), safe="")
    if kind == "events.list":
        return ["/v1/events" + _parameters(query, "after", "limit")]
    if kind in PAGES:
        return [
            f"/v1/events/{event}/{PAGES[kind]}" + _parameters(query, "before", "limit", "search")
        ]
    if kind == "command.status":
        return [f"/v1/events/{event}/commands/{quote(str(id), safe='')}" for id in query["ids"]]
    return None


def joined(answers: list[Json]) -> Json:
    """Join the answers to one query."""
    if len(answers) == 1:
        return answers[0]
    commands: list[Any] = [command for answer in answers for command in answer["commands"]]
    return {**answers[0], "commands": commands}


def _parameters(query: Json, *names: str) -> str:
    given = {name: query[name] for name in names if query.get(name) is not None}
    return f"?{urlencode(given)}" if given else ""
