"""A run of the model without any violation, and how tests find its operations and rows."""

from __future__ import annotations

from tests.model.history import History, Json, Operation
from tests.model.recorder import Recorder


def a_run() -> History:
    """A history with decisions, a resume, changed roles, a removal, and repeated ids."""
    run = Recorder()
    policy = {"membership_auto": True, "assumption": {"threshold": 2}}
    made = run.send(
        "ada", "event.create", subject="s", policy=policy, assumptions=["a"], options=["o"]
    )
    code, item = made["result"]["entrance_code"], run.model.live("assumption")[0]
    run.subscribe("ada", "ada-1")
    for user in ("bob", "cid", "dot"):
        run.send(user, "membership.join", code=code)
        run.subscribe(user, f"{user}-1")
    run.send("ada", "event.start")
    run.send("stranger", "vote.cast", proposal="p", revision=1)
    update: Json = {"kind": "assumption", "category": "update", "target": item, "base_version": 1}
    first = run.send("bob", "proposal.create", content="b", **update)["result"]["proposal"]
    rival = run.send("cid", "proposal.create", content="c", **update)["result"]["proposal"]
    run.send("cid", "vote.cast", id="the-vote", proposal=first, revision=1)
    run.send("cid", "vote.cast", id="the-vote", proposal=first, revision=1)
    run.send("cid", "vote.cast", id="the-vote", proposal=rival, revision=1)
    run.send("dot", "vote.cast", proposal=rival, revision=1)
    run.send("dot", "vote.retract", proposal=rival)
    known = run.model.seq
    run.send("bob", "vote.cast", id="crossing", proposal=first, revision=1)
    run.subscribe("cid", "cid-2", resume=known)
    run.send("dot", "vote.cast", id="too-late", proposal=first, revision=1)
    run.send("dot", "vote.cast", id="too-late", proposal=first, revision=1)
    run.send("ada", "membership.set_role", user="bob", role="admin")
    run.send("bob", "membership.remove", id="removal", user="dot")
    run.send("dot", "vote.cast", id="outside", proposal=rival, revision=1)
    run.send("cid", "comment.add", proposal=rival, content="hm")
    return run.history()


CLEAN = a_run()


TOP = sum(row["seq"] is not None for row in CLEAN.rows)


def operation(history: History, id: str, nth: int = 0) -> Operation:
    return [op for op in history.operations if op.command["id"] == id][nth]


def row(history: History, id: str) -> Json:
    return next(row for row in history.rows if row["id"] == id)


def accepted(history: History) -> list[Json]:
    return [row for row in history.rows if row["seq"] is not None]


def answer(operation: Operation) -> Json:
    assert operation.answer is not None
    return operation.answer
