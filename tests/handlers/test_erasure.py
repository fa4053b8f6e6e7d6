"""A person's texts go; answers, totals and decisions stay, and the journal proves it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from msgspec.structs import replace

from handlers.audiences import Audience, document
from handlers.lanes.decide import Submission, decide
from handlers.proof.entry import Entry, digests_of, seal_of
from handlers.proof.erasure import Erased, erase
from handlers.proof.replay import Replay
from handlers.rules.erasing import erasing
from handlers.rules.invitations import invitation_of
from handlers.rules.timers import SERVER
from handlers.step import Actor
from persistence.event.limits import DomainLimits
from persistence.event.state import EventState, Need
from protocol import merge_patch
from tests.handlers.test_model import EXAMPLES, JournalMachine, run
from tests.model.in_process import EVENT, InProcess

TABLES = (
    *("memberships", "options", "items", "item_history", "proposals", "votes", "ballots"),
    *("comments", "invitations"),
)


def erased(system: InProcess, entries: list[Entry], user: str) -> Erased:
    """The event of ``system`` without the texts of ``user``."""
    stored = system.stored
    tables = {
        table: [one for one in getattr(stored, table).values() if one is not None]
        for table in TABLES
    }
    owned = {one.id for one in tables["invitations"] if one.user_id == user}
    own = owned | {invited for invited in [invitation_of(user)] if invited}
    event = replace(stored.event, seq=stored.seq, hash=stored.hash)
    return erase(event, tables, entries, user, own)


def shown(state: EventState, audience: Audience) -> Any:
    state.complete |= {Need("comments_shown"), Need("invitations_shown"), Need("requests")}
    return json.loads(json.dumps(document(state, audience)))


def words_of(entries: list[Entry], user: str) -> set[str]:
    """Long texts of ``user``; short ones occur everywhere."""
    said = set()
    for entry in entries:
        if entry.user == user:
            fields = json.loads(entry.payload)
            said |= {str(fields[name]) for name in ("content", "reason", "name") if name in fields}
    return said


def step_of(found: Erased, user: str) -> tuple[Entry, Any]:
    """The step that shows an erasure, decided on the state after it."""
    state = found.state
    command = erasing(EVENT, state.seq + 1, user, found.shown)
    entropy = hashlib.sha256(user.encode()).digest()
    submission = Submission(command, Actor(SERVER, SERVER), entropy=entropy, reply=lambda *_: None)
    decision = decide(state, submission, found.entries[-1].at, DomainLimits())
    assert decision is not None
    assert decision.entry is not None
    assert decision.step is not None
    line = decision.entry
    assert line.payload is not None
    assert line.seq is not None
    assert line.prev_hash is not None
    assert line.hash is not None
    entry = Entry(
        seq=line.seq,
        at=line.at,
        command=line.command,
        user=line.user_id,
        id=line.command_id,
        salt=line.salt,
        payload=line.payload,
        answer=line.answer,
        patches=dict(decision.step.encoded),
        prev_hash=line.prev_hash,
        hash=line.hash,
    )
    return entry, decision.step.patches


class ErasureMachine(JournalMachine):
    """Erases each user in turn, at the end of any history."""

    def end(self) -> None:
        super().end()
        entries = list(self.system.entries())
        users = sorted({user for user in self.system.stored.memberships if user})
        for user in users:
            self.without(entries, user)

    def without(self, entries: list[Entry], user: str) -> None:
        found = erased(self.system, entries, user)
        before: dict[Audience, Any] = {
            audience: self.system.state(audience) for audience in ("member", "admin")
        }
        for new, old in zip(found.entries, entries, strict=True):
            assert seal_of(new) == seal_of(old) == old.hash
            assert digests_of(new) == digests_of(old)
            assert new is old or (new.salt == b"" and new.digests is not None)
        step, patches = step_of(found, user)
        replay = Replay(EVENT)
        differs = replay.run([*found.entries, step])
        assert differs is None, self.story(str(differs))
        folded = merge_patch.apply(before["member"], patches.member)
        assert folded == shown(found.state, "member"), self.story(f"fold without {user}")
        folded = merge_patch.apply(before["admin"], patches.member)
        folded = merge_patch.apply(folded, patches.admin)
        assert folded == shown(found.state, "admin"), self.story(f"fold without {user}")
        for kept in ("votes", "ballots", "options"):
            left, stored = getattr(found.state, kept), getattr(self.system.stored, kept)
            assert {k: v for k, v in left.items() if v} == {k: v for k, v in stored.items() if v}
        member = found.state.memberships[user]
        assert member is not None
        assert member.name == user or member.name.startswith("[erased ")


@pytest.mark.timeout(0)
def test_any_history_is_proved_without_any_of_its_people() -> None:
    run(ErasureMachine, max(EXAMPLES // 20, 1))
