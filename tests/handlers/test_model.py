"""The handlers against the reference model: every command has the same answer and effect."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
from typing import Any

import msgspec
import pytest

from handlers.proof.replay import Replay
from persistence.event.limits import DomainLimits
from protocol.errors import ProtocolError
from tests.model.checker import check
from tests.model.choice import BYTES
from tests.model.generate import EventMachine
from tests.model.history import History, Operation
from tests.model.in_process import EVENT, InProcess
from tests.model.machine import Json
from tests.model.server_limits import domain_limits

#: Runs of up to STEPS steps each; ``AYES_MODEL_EXAMPLES=100000`` is the long run.
EXAMPLES = int(os.environ.get("AYES_MODEL_EXAMPLES", "1000"))
#: Repeats the runs of a failure, which names it.
SEED = int(os.environ.get("AYES_MODEL_SEED", secrets.randbits(31)))
STEPS = 60


class HandlersMachine(EventMachine):
    system_of = InProcess


class JournalMachine(HandlersMachine):
    """Records the commands, and checks the journal at the end."""

    system: InProcess

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def follow(self, user: str, name: str, command: Json, got: Any, repeated: bool) -> None:
        super().follow(user, name, command, got, repeated)
        if user and got is not None:
            time = float(len(self.operations))
            self.operations.append(Operation(user, "s", command, time, got, time + 0.5))

    def end(self) -> None:
        super().end()
        final = {name: self.system.state(name) for name in ("member", "admin", "applicant")}
        limits = self.begun_with
        history = History(self.operations, [], self.system.rows(), final, limits=limits)
        violations = check(history)
        assert not violations, self.story("\n".join(map(str, violations)))
        proved = self.proved(self.system)
        assert (proved.recorded_from, proved.unrecorded) == (1, [])

    def proved(self, system: InProcess) -> Replay:
        """The replay of a system's journal, which agrees with it."""
        found = Replay(EVENT)
        differs = found.run(system.entries())
        assert differs is None, self.story(str(differs))
        found.take_ceiling(system.stored.event.request_ceiling)
        left, stored = found.state.event, system.stored.event
        head = {"seq": left.seq, "hash": left.hash, "epoch": left.epoch}
        assert left == msgspec.structs.replace(stored, **head)
        members = {user: each for user, each in system.stored.memberships.items() if each}
        found.take_revisions({user: each.ballot_revision for user, each in members.items()})
        for user, each in members.items():
            known = found.state.memberships[user]
            assert known is not None, self.story(user)
            assert known.ballot_revision == each.ballot_revision, self.story(user)
        ballots = {user: each for user, each in found.state.ballots.items() if each}
        assert ballots == {user: each for user, each in system.stored.ballots.items() if each}
        return found


#: Newer commands than the recorded limits, whose effect depends on them.
UNKNOWN_TO_OLDER = ("invitation.create", "invitation.revoke", "event.reopen")


class OlderMachine(JournalMachine):
    """Has the same commands decided again by nodes that do not record limits."""

    def end(self) -> None:
        limits = domain_limits(self.begun_with)
        other = domain_limits({name: limit % 3 + 1 for name, limit in self.begun_with.items()})
        script = [(user, c) for user, c in self.script if c["type"] != "event.set_limits"]
        middle = max(len(script) // 2, 1)
        self.upgraded(script, limits, middle, other)
        self.beside(script, limits, other)

    def upgraded(
        self, script: list[tuple[str, Json]], limits: DomainLimits, at: int, other: DomainLimits
    ) -> None:
        """From command ``at`` on, a newer node with other settings decides."""
        system = InProcess()
        system.older, system.limits = limits, other
        for number, (user, command) in enumerate(script):
            if number == at:
                system.older = None
            send(system, user, command)
            for audience in ("member", "admin"):
                system.state(audience)  # The law of folding
        proved = self.proved(system)
        assert proved.recorded_from is None or proved.recorded_from > 1
        assert not proved.unrecorded

    def beside(
        self, script: list[tuple[str, Json]], limits: DomainLimits, other: DomainLimits
    ) -> None:
        """An older node with other settings decides up to a third of a newer one's commands."""
        system = InProcess()
        system.limits = limits
        for number, (user, command) in enumerate(script):
            system.older = other if number % 3 == 2 else None
            send(system, user, command)
        self.proved(system)


def send(system: InProcess, user: str, command: Json) -> None:
    """Have ``command`` decided, if it reaches a decision.

    An older node answers ``unknown_type`` to a command that it does not know, and decides nothing.
    """
    if system.older is not None and command["type"] in UNKNOWN_TO_OLDER:
        return
    with contextlib.suppress(ProtocolError):
        system.execute(user, user.title(), command)


def run(machine: type[EventMachine], examples: int) -> None:
    source = random.Random(SEED)
    for _ in range(examples):
        drawn = [source.randbytes(BYTES) for _ in range(2 + STEPS)]
        try:
            machine.play(drawn)
        except Exception as failure:
            failure.add_note(f"AYES_MODEL_SEED={SEED} repeats it")
            machine.play(smallest(machine, drawn))
            raise


def smallest(machine: type[EventMachine], drawn: list[bytes]) -> list[bytes]:
    """Leave out the steps, many at once and then single ones, without which a run still fails."""
    size = STEPS // 2
    while size:
        at = 2
        while at < len(drawn):
            fewer = drawn[:at] + drawn[at + size :]
            try:
                machine.play(fewer)
                at += size
            except Exception:
                drawn = fewer
        size //= 2
    return drawn


def test_a_run_that_fails_is_made_smaller() -> None:
    class Impatient(HandlersMachine):
        """Fails at the second comment."""

        def end(self) -> None:
            assert sum(c["type"] == "comment.add" for _, c in self.script) < 2, self.story("")

    with pytest.raises(AssertionError) as failure:
        run(Impatient, 100)
    assert 2 <= len(re.findall("comment", str(failure.value))) <= 6
    assert str(failure.value).count("\n") < 20


@pytest.mark.timeout(0 if "AYES_MODEL_EXAMPLES" in os.environ else 600)
def test_the_handlers_do_what_the_model_does() -> None:
    run(HandlersMachine, EXAMPLES)


@pytest.mark.timeout(0 if "AYES_MODEL_EXAMPLES" in os.environ else 600)
def test_the_journal_of_the_handlers_passes_the_checker() -> None:
    run(JournalMachine, max(EXAMPLES // 10, 1))


@pytest.mark.timeout(0 if "AYES_MODEL_EXAMPLES" in os.environ else 600)
def test_journals_that_older_nodes_wrote_in_are_proved() -> None:
    run(OlderMachine, max(EXAMPLES // 10, 1))
