"""Every list in a client's message has a maximum, in the types and in the published schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from protocol.codec import Invalid, decode_command
from protocol.commands import COMMANDS, MAX_ITEMS, type_of
from protocol.fields import TextLimits
from protocol.requests import REQUESTS
from server.config.settings import SETTINGS


def lists(hint: Any, most: int | None = None) -> Iterator[int | None]:
    """The maximum of every list within ``hint``; ``None`` for a list without one."""
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        found = [note.max_length for note in notes if isinstance(note, msgspec.Meta)]
        yield from lists(base, next((length for length in found if length is not None), None))
    elif get_origin(hint) in (list, tuple, set, dict):
        yield most
        for inner in get_args(hint):
            yield from lists(inner)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for field in get_type_hints(hint, include_extras=True).values():
            yield from lists(field)
    else:
        for inner in get_args(hint):
            yield from lists(inner)


@pytest.mark.parametrize("message", [*COMMANDS, *REQUESTS], ids=lambda kind: kind.__name__)
def test_every_list_of_a_message_has_a_most(message: type[msgspec.Struct]) -> None:
    assert None not in list(lists(message))


def test_there_are_lists() -> None:
    assert len([most for kind in (*COMMANDS, *REQUESTS) for most in lists(kind)]) >= 6


@pytest.mark.parametrize("field", ["options", "assumptions", "criteria"])
def test_a_list_may_be_as_long_as_its_setting_at_most(field: str) -> None:
    (create,) = (kind for kind in COMMANDS if type_of(kind) == "event.create")
    (most,) = lists(get_type_hints(create, include_extras=True)[field])
    assert SETTINGS[field].max == most


def test_a_longer_list_is_malformed_and_never_reaches_the_event() -> None:
    order = ["c"] * (MAX_ITEMS + 1)
    ballot = {
        "type": "ballot.submit",
        "id": "ballot-1",
        "event": "e",
        "option": "o",
        "criterion_order": order,
        "criteria_rev": 1,
    }
    refused = decode_command(json.dumps(ballot).encode(), limits=TextLimits())
    assert isinstance(refused, Invalid)
    assert refused.error.code == "bad_request"
    assert refused.error.details["path"] == "criterion_order"
    ballot["criterion_order"] = order[:-1]
    assert not isinstance(decode_command(json.dumps(ballot).encode(), limits=TextLimits()), Invalid)
