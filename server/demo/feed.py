"""Lines about each thing that happens, for the live screen and for plain output.

There are three kinds of line, by their mark: ``#42`` is a diff of the room and its position, ``✓``
or ``✗`` an answer to a bot, ``·`` what the story says of itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.text import Text

Message = dict[str, Any]

#: Lines in memory; beyond that the oldest is dropped. A screen shows fewer.
MAX_FEED_LINES = 200
_SHORT_ID = 6


class FeedLine(NamedTuple):
    """One thing that happened, in words."""

    mark: str
    text: Text
    style: str


class Feed:
    """The last lines. ``on_line`` is called with each new one."""

    def __init__(self, on_line: Callable[[FeedLine], None] = lambda line: None) -> None:
        self.lines: deque[FeedLine] = deque(maxlen=MAX_FEED_LINES)
        self.note = ""
        """The story's present scene."""
        self.on_line = on_line
        self._names: dict[str, str] = {}

    def knows(self, user: str, name: str) -> None:
        """Show ``user`` as ``name``."""
        self._names[user] = name

    def name(self, user: str | None) -> str:
        """Return the name of ``user``."""
        return self._names.get(user or "", user or "the server")

    def say(self, note: str) -> None:
        """Begin a scene of the story."""
        self.note = note
        self._put("·", Text(note), "bold")

    def answer(self, user: str, answer: Message) -> None:
        """Add a line about an answer."""
        who = f"{self.name(user)}: "
        if answer["type"] == "error":
            self._put("✗", Text(who + _refusal(answer)), "red")
            return
        text = Text(f"{who}ack #{answer['seq']}")
        if answer["replayed"]:
            text.append(" replayed: true, counted once", "bold magenta")
        elif not answer["applied"]:
            text.append(" applied: false, already so", "bold yellow")
        self._put("✓", text, "green")

    def diff(self, message: Message, state: Message) -> None:
        """Add a line about a diff; ``state`` is the room after it."""
        first, last = message["from"] + 1, message["seq"]
        text = Text(", ".join(self._words(message["patch"], state)) or "nothing to change")
        self._put(f"#{first}" if first == last else f"#{first}–{last}", text, "cyan")  # noqa: RUF001

    def _put(self, mark: str, text: Text, style: str) -> None:
        line = FeedLine(mark, text, style)
        self.lines.append(line)
        self.on_line(line)

    def _words(self, patch: Message, state: Message) -> list[str]:
        words = [
            self._proposal(id, change, state["proposals"].get(id, {}))
            for id, change in patch.get("proposals", {}).items()
        ]
        if status := patch.get("event", {}).get("status"):
            words.append(f"event {status.replace('_', ' ')}")
        if asking := [id for id, request in patch.get("requests", {}).items() if request]:
            words.append(f"{_list([request_name(patch, id) for id in asking])} asks to join")
        if joined := [member["name"] for member in patch.get("members", {}).values() if member]:
            words.append(f"{_list(joined)} let in")
        for comment in patch.get("comments", {}).values():
            words.append(f"comment by {self.name(comment['author'])}")
        if "ballots" in patch.get("counts", {}):
            words.append(f"ballot {patch['counts']['ballots']} of {state['counts']['members']}")
        return words

    def _proposal(self, id: str, change: Message | None, proposal: Message) -> str:
        if change is None:
            return f"{short(id)} leaves the room"
        if "kind" in change:
            return f"proposal {short(id)} by {self.name(proposal['author'])}"
        words = f"vote {short(id)} agree {change['agree']}" if "agree" in change else short(id)
        if "status" in change:
            words += f" → {change['status']}"
            if proposal["resolution"] != "auto_votes":
                words += f" by {self.name(proposal.get('resolved_by'))}"
        return words


def _refusal(answer: Message) -> str:
    details = answer["details"]
    if answer["code"] == "proposal_closed":
        return f"already {details['status']} at #{details['seq']}"
    return f"{answer['code']}: {answer['message']}"


def request_name(patch: Message, id: str) -> str:
    """Return the name in a request to join."""
    return str(patch["requests"][id].get("name", id))


def short(id: str) -> str:
    """Shorten an id, so that it still differs from others on the screen."""
    return id if len(id) <= _SHORT_ID + 1 else f"{id[:_SHORT_ID]}…"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
