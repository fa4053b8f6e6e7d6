"""The decision of any command: checks in their order, then all effects or none."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.model.rows import Row, Rows, plain, present

Answer = tuple[str, Row]
#: Gives the id that the server chose for the next new record of a collection of the state
#: ("options", "proposals", …), or for an "event" or "entrance_code".
Ids = Callable[[str], str]

RUNNING = ("in_progress",)
DECIDING = ("in_progress", "paused")
OPEN = ("not_started", "in_progress", "paused")


#: Stands for a time that a command does not name; ``None`` asks to have no time.
KEEP = "keep"
#: Fields whose names are keywords of Python.
KEYWORDS = {"as": "as_"}


class Refused(Exception):
    """The answer is an error; ``final`` ones are remembered."""

    def __init__(self, code: str, *, final: bool = True, **details: Any) -> None:
        self.code, self.final, self.details = code, final, details


class Same(Exception):
    """The wish is fulfilled already: ``applied: false``."""

    def __init__(self, **result: Any) -> None:
        self.result = result


class WouldAct(Exception):
    """All checks have passed, and only the checks were asked for."""


class Deciding(Rows):
    """A command is a method, its type with ``_`` for ``.``: checks, ``begin()``, effects."""

    user: str
    name: str
    now: datetime
    ids: Ids

    def __init__(self, **limits: int) -> None:
        super().__init__(**limits)
        self.answers: dict[tuple[str, str], tuple[Row, Answer]] = {}
        self.probing = False

    def apply(self, user: str, name: str, command: Row, at: datetime, *, ids: Ids) -> Answer:
        """Return the server's only right answer to ``command`` at ``at``, and apply its effects.

        ``("ack", {"applied", "result"})`` or ``("error", {"code", "details"})``. A repeat gives the
        first answer again. ``not_due`` is a timer's early question, which a server leaves
        unanswered.
        """
        wish = asked(command)
        key = (user, command["id"])
        is_late = wish["not_after"] is not None and at > wish["not_after"]
        too_late: Answer = "error", {"code": "too_late", "details": {"time": plain(at)}}
        is_join = wish["type"] == "membership.join"
        if is_join and wish["invitation"] is None and wish["code"] not in self.codes:
            return too_late if is_late else ("error", {"code": "not_found", "details": {}})
        if key in self.answers:
            before, answer = self.answers[key]
            # A stranger must not see a difference between an event that exists and one that does
            # not.
            unknown = user not in self.members and answer[1].get("code") == "not_found"
            if before == wish or unknown:
                return answer
            return "error", {"code": "id_conflict", "details": {}}
        # If a stranger's command were remembered, that would show that the event exists.
        if is_late and (not self.event or (user not in self.members and not is_join)):
            return too_late
        self.user, self.name, self.now, self.ids = user, name, at, ids
        try:
            if is_late:
                raise Refused("too_late", time=at)
            decide = getattr(self, wish["type"].replace(".", "_"))
            given = {key: wish[key] for key in wish if key not in ("type", "not_after")}
            result = decide(**{KEYWORDS.get(key, key): value for key, value in given.items()})
            answer = "ack", {"applied": True, "result": result or {}}
        except Same as same:
            self.begin()
            answer = "ack", {"applied": False, "result": same.result}
        except Refused as refused:
            details = present(refused.details, *refused.details)
            answer = "error", {"code": refused.code, "details": details}
            if not refused.final:
                return answer
        if not self.probing:
            self.answers[key] = wish, answer
        return answer

    def probe(self, user: str, command: Row, at: datetime) -> Answer | None:
        """The error that ``command`` would get at ``at``, or ``None``; changes nothing."""
        self.probing = True
        try:
            return self.apply(user, user, command, at, ids=str)
        except WouldAct:
            return None
        finally:
            self.probing = False

    def begin(self) -> None:
        """All checks have passed: the command takes its place in the journal."""
        if self.probing:
            raise WouldAct
        self.seq += 1

    def membership(self) -> Row:
        return named(self.members, self.user)

    def member(self) -> None:
        if self.membership()["status"] != "accepted":
            raise Refused("not_a_member")

    def voter(self) -> None:
        self.member()
        if self.role(self.user) == "organiser":
            raise Refused("not_eligible")

    def admin(self) -> None:
        self.member()
        if self.role(self.user) == "member":
            raise Refused("forbidden")

    def when(self, *statuses: str, otherwise: str = "event_not_in_progress") -> None:
        status = self.event["status"]
        if status not in statuses:
            raise Refused("event_finished" if status == "finished" else otherwise)

    def before_start(self) -> None:
        self.when("not_started", otherwise="invalid_transition")


def named(table: dict[str, Row], id: str) -> Row:
    """The row that a command names."""
    if id not in table:
        raise Refused("not_found")
    return table[id]


def asked(command: Row) -> Row:
    """The command with its defaults and without unread fields: repeats are compared by it."""
    defaults = arguments(command["type"])
    given = {key: value for key, value in command.items() if key in defaults}
    times = ("not_after", "starts_at", "ends_at")
    moments = {name: datetime.fromisoformat(command[name]) for name in times if command.get(name)}
    return {"type": command["type"], "not_after": None} | {**defaults, **given, **moments}


@functools.cache
def arguments(kind: str) -> Row:
    """The arguments of a command and their defaults."""
    from tests.model.reference import Model  # made of the parts that import this

    parameters = list(
        inspect.signature(getattr(Model, kind.replace(".", "_"))).parameters.values()
    )[1:]
    defaults = {p.name: None if p.default is p.empty else p.default for p in parameters}
    names = {parameter: field for field, parameter in KEYWORDS.items()}
    return {names.get(name, name): default for name, default in defaults.items()}
