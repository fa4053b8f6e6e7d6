"""Commands that newer and older nodes decide in turns."""

from __future__ import annotations

from typing import Any

from persistence.event.limits import DomainLimits
from tests.model.in_process import InProcess

Json = dict[str, Any]


def acked(system: InProcess, user: str, type: str, /, *, older: bool, **fields: Any) -> Json:
    """Have a newer node decide a command, or an ``older`` one; return its ack."""
    system.older = DomainLimits() if older else None
    id = f"command-{system.submitted}"
    answer = system.execute(user, user, {"type": type, "id": id} | fields)
    assert answer is not None
    assert answer["type"] == "ack", answer
    return answer
