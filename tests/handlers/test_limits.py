"""Recorded limits and rules, as a handler's step and its journal entry have them."""

from __future__ import annotations

import json

from msgspec.structs import replace

from handlers.proof.replay import Replay
from persistence.event.limits import RULES, SETTABLE, DomainLimits, decode_limits, encode_limits
from server.config.settings import SETTINGS
from tests.model.in_process import EVENT, InProcess, Json

CREATE: Json = {"type": "event.create", "id": "create-01", "subject": "s"}
START: Json = {"type": "event.start", "id": "start-001", "event": EVENT}
ADD: Json = {"type": "option.add", "id": "add-00001", "event": EVENT, "content": "o"}


def answers(system: InProcess) -> list[Json]:
    """The stored answers of the journal."""
    return [json.loads(line.answer) for line in system.lines]


def test_all_limits_but_their_version_and_rules_are_settings() -> None:
    assert set(SETTABLE) <= set(SETTINGS)
    assert set(DomainLimits.__struct_fields__) - set(SETTABLE) == {"version", "rules"}


def test_limits_are_the_same_in_the_row_and_in_the_line() -> None:
    system = InProcess(options=3)
    system.execute("ada", "Ada", CREATE)
    text = system.stored.event.limits
    assert text is not None
    assert decode_limits(text) == system.limits
    assert answers(system) == [
        {
            "applied": True,
            "result": {"event": EVENT, "entrance_code": system.stored.event.entrance_code},
            "limits": json.loads(text),
        }
    ]


def test_a_line_decided_by_older_rules_than_its_events_says_so() -> None:
    """Entries of this version's node among a newer node's, for the newer one to verify."""
    system = InProcess()
    system.execute("ada", "Ada", CREATE)
    newer = replace(system.limits, rules=RULES + 1)
    system.stored.event_record = replace(system.stored.event, limits=encode_limits(newer))
    system.held = None
    ack = system.execute("ada", "Ada", ADD)
    assert ack is not None
    assert "rules" not in ack
    assert answers(system)[-1]["rules"] == RULES
    assert system.stored.event.limits == encode_limits(newer), "what is newer is left as it is"


def test_newer_rules_are_no_tampering_but_another_versions_to_prove() -> None:
    system = InProcess()
    system.limits = replace(system.limits, rules=RULES + 1)
    system.execute("ada", "Ada", CREATE)
    differs = Replay(EVENT).run(system.entries())
    assert differs is not None
    assert f"rules {RULES + 1}, newer than this version's {RULES}" in differs.what


def test_a_refusal_records_nothing() -> None:
    system = InProcess()
    system.older = system.limits
    system.execute("ada", "Ada", CREATE)
    system.older = None
    refused = system.execute(
        "ada", "Ada", {"type": "event.resume", "id": "resume-01", "event": EVENT}
    )
    assert refused is not None
    assert refused["type"] == "error"
    assert system.stored.event.limits is None
    system.execute("ada", "Ada", START)
    system.execute("ada", "Ada", START | {"id": "start-002"})
    assert ["limits" in answer for answer in answers(system)] == [False, False, True, False]
    proved = Replay(EVENT)
    assert proved.run(system.entries()) is None
    assert proved.recorded_from == 2
