"""The limits of an event, stored with it, so that no node's settings decide it differently.

An event keeps the limits it was created with, as JSON text in ``events.limits``. The journal entry
that recorded them has the same text. A node's settings apply in three cases: when an event is
created, at the first change of an event from before limits were recorded, and when an operator
adopts them.
"""

from __future__ import annotations

import functools

import msgspec

#: Version of the rules by which this code decides. A change that gives some journal another answer
#: or patch takes the next number, and keeps the older way for the older number.
#:
#: 1. Before limits were recorded; no entry names them.
#: 2. Limits are recorded; the windows' floors never move back.
#: 3. An author's pending and withdrawn proposals have limits. Requests to join are numbered,
#: bounded, and shown by a window. A proposal that waits for room or for a member is evaluated when
#: it comes.
#: 4. Proposals, comments and requests show their numbers, ballots their revision. A proposal that
#: votes accepted does not say whose vote it was.
#: 5. Shares, stances, votes that decide at the close, hidden tallies, electorates of the opening.
#: A ballot keeps the position of its submission, and the first one fixes the ballot's method.
#: 6. The revisions of a member's ballots go on after a ballot was cleared, or went with its member.
#: 7. A revert of a criterion's deletion brings its conclusion back too.
RULES = 7
#: The rules since which an event notes that a ballot was submitted.
FIXED_BALLOT_RULES = 5
#: The rules since which a membership keeps the revision of a ballot that is gone. Before, the next
#: one was 1 again.
KEPT_REVISION_RULES = 6
#: The rules since which a revert of a criterion's deletion restores the conclusion. Before, the
#: criterion came back without one.
RESTORED_CONCLUSION_RULES = 7


class DomainLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much an event may have of everything, and how much of it a room shows.

    All but ``version`` and ``rules`` are settings. A further field is a change of the rules.
    """

    version: int = 1
    """Number of limits that the event has had, including these."""
    rules: int = RULES
    options: int = 20
    assumptions: int = 500
    criteria: int = 100
    pending_proposals: int = 1_000
    pending_per_author: int = 50
    withdrawn_per_author: int = 50
    requests: int = 3_000
    resolved_shown: int = 200
    comments_shown: int = 200
    members_shown: int = 500
    requests_shown: int = 200
    invitations_shown: int = 200


#: The fields of ``DomainLimits`` that an operator may set.
SETTABLE = tuple(
    name for name in DomainLimits.__struct_fields__ if name not in ("version", "rules")
)

_decoder = msgspec.json.Decoder(DomainLimits)


def encode_limits(limits: DomainLimits) -> str:
    """Return ``limits`` as the event's row and the journal store them: as JSON."""
    return msgspec.json.encode(limits).decode()


#: Texts whose limits are kept decoded; the least recently used one is decoded again. Nearly all
#: events of a server share one.
MAX_DECODED_LIMITS = 256


@functools.lru_cache(maxsize=MAX_DECODED_LIMITS)
def decode_limits(text: str) -> DomainLimits:
    """Return the limits that ``text``, JSON, records; fields of a newer version are ignored."""
    return _decoder.decode(text)
