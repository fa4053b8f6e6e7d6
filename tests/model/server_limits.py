"""The server's limits under the model's names, and nodes that do not know recorded limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from handlers.proof.unrecorded import FIRST_RULES
from handlers.step import Step
from persistence.event.limits import DomainLimits
from tests.model.terms import LIMIT_NAMES


def domain_limits(limits: dict[str, int]) -> DomainLimits:
    """The server's limits, from the model's names of them."""
    names = {mine: theirs for theirs, mine in LIMIT_NAMES.items()}
    return DomainLimits(**{names.get(name, name): limit for name, limit in limits.items()})


@contextmanager
def deciding_as_before_limits(limits: DomainLimits) -> Iterator[None]:
    """Decide steps as a node with these settings that does not know recorded limits."""
    limits = replace(limits, rules=FIRST_RULES)
    recorded, kept = Step.limits, Step.to_record
    Step.limits = property(lambda step: limits)  # type: ignore[assignment]
    Step.to_record = lambda step: None  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Step.limits = recorded  # type: ignore[method-assign]
        Step.to_record = kept  # type: ignore[method-assign]
