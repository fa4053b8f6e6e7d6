"""The handlers against the reference model: whatever is sent, the same answers and states."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.model.checker import check
from tests.model.generate import EventMachine, Json
from tests.model.history import History, Operation
from tests.model.in_process import InProcess

#: Runs of up to STEPS rules each; ``AYES_MODEL_EXAMPLES=100000`` is the long run.
EXAMPLES = int(os.environ.get("AYES_MODEL_EXAMPLES", "2000"))
STEPS = 60


class HandlersMachine(EventMachine):
    system_of = InProcess


class JournalMachine(HandlersMachine):
    """Keeps what was sent, and has the checker look at the journal at the end."""

    system: InProcess

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def follow(self, user: str, name: str, command: Json, got: Any, repeated: bool) -> None:
        super().follow(user, name, command, got, repeated)
        if user and got is not None:
            time = float(len(self.operations))
            self.operations.append(Operation(user, "s", command, time, got, time + 0.5))

    def teardown(self) -> None:
        if not self.script:
            return
        super().teardown()
        final = {name: self.system.state(name) for name in ("member", "admin", "applicant")}
        limits = self.model.limits
        history = History(self.operations, [], self.system.rows(), final, limits=limits)
        violations = check(history)
        assert not violations, self.story("\n".join(map(str, violations)))


def run(machine: type[RuleBasedStateMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(0)
def test_the_handlers_do_what_the_model_does() -> None:
    run(HandlersMachine, EXAMPLES)


@pytest.mark.timeout(0)
def test_the_journal_of_the_handlers_passes_the_checker() -> None:
    run(JournalMachine, max(EXAMPLES // 20, 1))
