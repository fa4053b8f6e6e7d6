"""The event that most of the model's tests begin with."""

from __future__ import annotations

import pytest

from tests.model.table import Table


@pytest.fixture
def table() -> Table:
    """In progress; ada is admin, bob, cid and dot are members; two agree to accept."""
    rule = {"rule": "count", "threshold": 2}
    policy = {"assumption": rule, "criterion": rule, "conclusion": rule}
    made = Table(policy, assumptions=["a"], criteria=["k", "l"], options=["o", "p"])
    made.join("bob", "cid", "dot")
    made("ada", "event.start")
    return made
