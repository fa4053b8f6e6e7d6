"""``ayes admin``: asks a running server over its admin API, and prints the answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from protocol.text import escaped
from server.config.settings import Settings
from server.config.urls import is_loopback

#: Seconds until the command gives up on an answer; the server answers earlier.
ANSWER_TIMEOUT_S: Final = 20.0
#: The same for erasing and deleting, which read whole journals.
ACT_ANSWER_TIMEOUT_S: Final = 930.0
#: Bytes of an answer that are read; the largest page has far fewer.
MAX_ANSWER_BYTES: Final = 8 << 20
EXIT_REFUSED: Final = 1

_ANY: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - opened, not listened on


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Add the verbs and their arguments."""
    parser.add_argument("--url", help="the server's address; without it, AYES_HOST and AYES_PORT")
    parser.add_argument("--json", action="store_true", help="print the answer as it is")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("status", help="this node now: what waits, what is slow, what fails")
    verbs.add_parser("nodes", help="the servers on this database")
    events = verbs.add_parser("events", help="all events, or one by its id or entrance code")
    events.add_argument("event", nargs="?")
    _add_limit(events)
    sockets = verbs.add_parser("sockets", help="this node's sockets, the slowest readers first")
    sockets.add_argument("--user", help="only this user's")
    sockets.add_argument("--event", help="only those in this event's room")
    sockets.add_argument("--close", metavar="CONNECTION", help="send one away; it comes back")
    _add_limit(sockets)
    users = verbs.add_parser("users", help="a user's events, sockets, and revocation")
    users.add_argument("user")
    revoke = verbs.add_parser("revoke", help="refuse the tokens a user has, and close the sockets")
    revoke.add_argument("user")
    revoke.add_argument("--before", help="refuse tokens issued before this time, with its zone")
    erase = verbs.add_parser("erase", help="take a person's name and words out of events")
    erase.add_argument("user")
    erase.add_argument("--event", help="only this event; without it, all, and the user's own row")
    _add_yes(erase)
    delete = verbs.add_parser("delete", help="export an event to the server's folder, delete it")
    delete.add_argument("event", help="the event's id")
    delete.add_argument(
        "--damaged", action="store_true", help="delete it even if its export does not verify"
    )
    _add_yes(delete)
    verbs.add_parser("prune", help="delete final errors that are past their time")
    for verb in verbs.choices.values():
        # After the verb too; without a default, which would replace what stands before it.
        verb.add_argument("--url", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS,
                          help=argparse.SUPPRESS)  # fmt: skip


def _add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=50, help="1 to 200 (default 50)")


def _add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _is_confirmed(arguments: argparse.Namespace) -> bool:
    """Return whether the person at the terminal types the id again, or need not."""
    if arguments.verb not in ("erase", "delete") or arguments.yes:
        return True
    id: str = arguments.user if arguments.verb == "erase" else arguments.event
    what = "Erases a person's words" if arguments.verb == "erase" else "Deletes an event"
    if not sys.stdin.isatty():
        print("ayes: this cannot be undone: --yes if it is meant", file=sys.stderr)
        return False
    print(f"{what}: {escaped(id)}. This cannot be undone. Type the id again:", file=sys.stderr)
    if sys.stdin.readline().strip() == id:
        return True
    print("ayes: nothing was done", file=sys.stderr)
    return False


def run(arguments: argparse.Namespace, settings: Settings, url: str | None) -> int:
    """Ask, print, and return the exit status."""
    if settings.admin_token is None:
        print("ayes: set AYES_ADMIN_TOKEN or AYES_ADMIN_TOKEN_FILE, as the server has it",
              file=sys.stderr)  # fmt: skip
        return EXIT_REFUSED
    if not _is_confirmed(arguments):
        return EXIT_REFUSED
    path, body = _request(arguments)
    is_long = arguments.verb in ("erase", "delete")
    timeout = ACT_ANSWER_TIMEOUT_S if is_long else ANSWER_TIMEOUT_S
    base = url or f"http://{_host(settings.host)}:{settings.port}"
    try:
        answer = _ask(f"{base.rstrip('/')}/v1/admin/{path}", settings.admin_token, body, timeout)
    except HTTPError as err:
        print(f"ayes: {escaped(_why(err, base))}", file=sys.stderr)
        return EXIT_REFUSED
    except (OSError, ValueError) as err:
        why = err.reason if isinstance(err, URLError) else err
        print(f"ayes: no answer from {base}: {why}", file=sys.stderr)
        return EXIT_REFUSED
    if arguments.json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        print(*map(escaped, _lines(answer)), sep="\n")
    return 0


def _host(host: str) -> str:
    host = _ANY.get(host, host)
    return f"[{host}]" if ":" in host else host


def _request(arguments: argparse.Namespace) -> tuple[str, dict[str, Any] | None]:
    """Return the path of the request, and its body if it acts."""
    match arguments.verb:
        case "status":
            return "node", None
        case "events" if arguments.event:
            return f"events/{quote(arguments.event, safe='')}", None
        case "events":
            return f"events?limit={arguments.limit}", None
        case "sockets" if arguments.close:
            return f"sockets/{quote(arguments.close, safe='')}/close", {}
        case "sockets":
            asked = {"user": arguments.user, "event": arguments.event, "limit": arguments.limit}
            given = {name: value for name, value in asked.items() if value is not None}
            return f"sockets?{urlencode(given)}", None
        case "users":
            return f"users/{quote(arguments.user, safe='')}", None
        case "revoke":
            body = {} if arguments.before is None else {"before": arguments.before}
            return f"users/{quote(arguments.user, safe='')}/revoke", body
        case "erase":
            about = {} if arguments.event is None else {"event": arguments.event}
            return f"users/{quote(arguments.user, safe='')}/erase", {
                "confirm": arguments.user
            } | about
        case "delete":
            asked = {"confirm": arguments.event, "damaged": arguments.damaged}
            return f"events/{quote(arguments.event, safe='')}/delete", asked
        case "prune":
            return "prune", {}
        case verb:
            return verb, None


def _ask(url: str, token: str, body: dict[str, Any] | None, timeout: float) -> Any:
    request = Request(  # noqa: S310 - the operator's own address
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    direct = is_loopback(urlsplit(url).hostname or "")
    opener = build_opener(*([ProxyHandler({})] if direct else []))
    with opener.open(request, timeout=timeout) as response:
        return json.loads(response.read(MAX_ANSWER_BYTES))


def _why(err: HTTPError, base: str) -> str:
    try:
        answer = json.loads(err.read(MAX_ANSWER_BYTES))
        code, message = answer["code"], answer["message"]
    except (ValueError, KeyError, TypeError):
        return f"{base} answers {err.code}"
    if code == "unauthenticated":
        return "the server has another AYES_ADMIN_TOKEN"
    if code == "not_found":
        return "there is nothing of that name, or the server has no AYES_ADMIN_TOKEN"
    return f"{code}: {message}"


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    """Yield a line a fact; a list has a line an entry."""
    for name, value in answer.items():
        if name == "type" or value is None:
            continue
        if isinstance(value, list):
            yield f"{name}: {'none' if not value else len(value)}"
            for entry in value:
                yield f"  {_facts(entry) if isinstance(entry, dict) else entry}"
        else:
            yield f"{name}: {_facts(value) if isinstance(value, dict) else value}"


def _facts(entry: dict[str, Any]) -> str:
    shown = ((name, value) for name, value in entry.items() if value not in (None, "", []))
    return "  ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in shown
    )
