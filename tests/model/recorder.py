"""A server without faults, in a few lines, for tests of the checker.

The model answers, and everything is recorded as a client, a socket and a database would see it.
Tests give the record to the checker, whole and with planted faults.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.model.chain import digest
from tests.model.folding import Moment
from tests.model.history import History, Json, Operation, Stream
from tests.model.reference import Model

EPOCH = "x1"


class Recorder:
    """Send commands, connect, read; ``history`` is the record of the run."""

    def __init__(self, *, epoch: str = EPOCH, **limits: int) -> None:
        self.epoch = epoch
        self.model = Model(**limits)
        self.time = 0.0
        self.made = 0
        self.operations: list[Operation] = []
        self.rows: list[Json] = []
        self.streams: list[Stream] = []
        self.limits = limits
        self.audiences: dict[str, str | None] = {}

    def send(self, user: str, type: str, /, id: str | None = None, **arguments: Any) -> Json:
        """Send a command and answer it; every subscriber gets its diff."""
        command = {"type": type, "id": id or f"id-{len(self.operations)}"} | arguments
        operation = Operation(user, f"{user}-1", command, sent_at=self.tick())
        self.operations.append(operation)
        operation.answer = self.decide(user, command)
        operation.answered_at = self.tick()
        return operation.answer

    def decide(self, user: str, command: Json) -> Json:
        known = next(
            (row for row in self.rows if (row["user"], row["id"]) == (user, command["id"])), None
        )
        before = {name: self.state(name) for name in ("member", "admin", "applicant")}
        yours = {name: self.model.you(name) for name in self.model.members}
        at = self.now()
        kind, body = self.model.apply(user, user, command, at, ids=self.new_id)
        if known or body.get("code") == "not_due":
            replayed = {"replayed": body.get("code") != "id_conflict"}
            return self.answer(command, kind, body, known) | replayed
        row: Json = {
            "user": user,
            "id": command["id"],
            "seq": self.model.seq if kind == "ack" else None,
            "command": command["type"],
            "payload": deepcopy({k: v for k, v in command.items() if k not in ("type", "id")}),
            "answer": deepcopy(body) | ({} if kind == "ack" else {"message": "no"}),
            "patches": {},
            "at": at,
            "salt": b"salt",
            "prev_hash": None,
            "hash": None,
        }
        self.rows.append(row)
        if kind == "ack":
            patches = {name: patch(before[name], self.state(name)) for name in before}
            row["patches"] = {name: made for name, made in patches.items() if made}
            seal(self.rows)
            self.tell(patches, yours)
        return self.answer(command, kind, body, row)

    def answer(self, command: Json, kind: str, body: Json, row: Json | None) -> Json:
        answer = {"type": kind, "id": command["id"], "replayed": False} | deepcopy(body)
        if kind == "ack" and row is not None:
            answer |= {"seq": row["seq"], "hash": row["hash"].hex()}
        return answer

    def subscribe(self, user: str, socket: str, *, resume: int | None = None) -> Stream:
        """A new connection; with ``resume``, of a client that knows the state at that position."""
        stream = Stream(user, socket, live=True)
        self.streams.append(stream)
        now = Moment(self.model)
        audience = self.audiences[socket] = now.audience(user)
        assert audience is not None
        first: Json = {"type": "snapshot", "epoch": self.epoch, "seq": now.seq, "reason": "initial"}
        first |= {"state": now.state(audience), "you": now.you(user)}
        if resume is not None:
            first = {"type": "resumed", "epoch": self.epoch, "from": resume, "seq": now.seq}
            first |= {"patch": self.patches_since(resume, audience), "you": now.you(user)}
        self.hear(stream, deepcopy(first))
        return stream

    def patches_since(self, seq: int, audience: str) -> Json:
        """The steps after ``seq`` as one patch; correct for steps that undo no other step."""
        merged: Json = {}
        for row in self.rows:
            if row["seq"] is not None and row["seq"] > seq:
                merged = compose(merged, row["patches"].get(audience, {}))
        return merged

    def tell(self, patches: dict[str, Json], yours: dict[str, Json]) -> None:
        now = Moment(self.model)
        for stream in self.streams:
            if not stream.live:
                continue
            audience = now.audience(stream.user)
            if audience is None:
                stream.live = False
                self.hear(stream, {"type": "unsubscribed", "reason": "removed"})
            elif audience != self.audiences[stream.socket]:
                self.audiences[stream.socket] = audience
                state, you = now.state(audience), now.you(stream.user)
                first = {"type": "snapshot", "seq": now.seq, "reason": "role", "epoch": self.epoch}
                self.hear(stream, deepcopy(first | {"state": state, "you": you}))
            else:
                step = {"from": now.seq - 1, "seq": now.seq, "patch": patches[audience]}
                self.hear(stream, deepcopy({"type": "diff", "epoch": self.epoch} | step))
                if own := patch(yours[stream.user], now.you(stream.user)):
                    self.hear(stream, deepcopy({"type": "you", "seq": now.seq, "patch": own}))

    def hear(self, stream: Stream, message: Json) -> None:
        stream.messages.append(message)
        stream.heard_at.append(self.tick())

    def state(self, audience: str) -> Json:
        return deepcopy(self.model.state(audience)) if self.model.event else {}

    def new_id(self, collection: str) -> str:
        self.made += 1
        return f"{collection[:1]}{self.made}"

    def tick(self) -> float:
        self.time += 1.0
        return self.time

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.time)

    def history(self) -> History:
        final = {name: self.state(name) for name in ("member", "admin", "applicant")}
        return History(self.operations, self.streams, self.rows, final, limits=self.limits)


def seal(rows: list[Json]) -> None:
    """Give every row of the journal the hash it should have."""
    previous = bytes(32)
    for row in rows:
        if row["seq"] is not None:
            row["prev_hash"] = previous
            previous = row["hash"] = digest(row)


def patch(before: Json, after: Json) -> Json:
    made: Json = {key: None for key in before if key not in after}
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            if inner := patch(before[key], value):
                made[key] = inner
        elif key not in before or before[key] != value:
            made[key] = value
    return made


def compose(first: Json, second: Json) -> Json:
    made = dict(first)
    for key, value in second.items():
        held = made.get(key)
        made[key] = (
            compose(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
        )
    return made
