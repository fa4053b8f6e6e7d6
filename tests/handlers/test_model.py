"""The handlers against the reference model: whatever is sent, the same answers and states."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.generate import EventMachine
from tests.model.in_process import InProcess

#: Runs of up to STEPS commands each; by hand 100,000 (``AYES_MODEL_EXAMPLES``).
EXAMPLES = int(os.environ.get("AYES_MODEL_EXAMPLES", "2000"))
STEPS = 60


class HandlersMachine(EventMachine):
    system_of = InProcess


@pytest.mark.timeout(0)
def test_the_handlers_do_what_the_model_does() -> None:
    run_state_machine_as_test(
        HandlersMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
