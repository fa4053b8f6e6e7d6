"""Limits and terms of an event, under the names that the model and the server have for them."""

from __future__ import annotations

from typing import Any

#: The terms of a proposal if the policy has none.
TERMS: dict[str, Any] = {
    "stances": ["agree"],
    "decide": "reached",
    "tally": "live",
    "votes": "secret",
    "electorate": "now",
}

#: Limits of the domain and settings of the server: how many there may be, and how many are shown.
LIMITS = {
    "options": 20,
    "assumptions": 500,
    "criteria": 100,
    "pending": 1_000,
    "pending_each": 50,
    "withdrawn_each": 50,
    "requests": 3_000,
    "shown_proposals": 200,
    "shown_comments": 200,
    "shown_members": 500,
    "shown_requests": 200,
    "shown_invitations": 200,
}

#: The server's names of the limits, if they differ.
LIMIT_NAMES = {
    "pending_proposals": "pending",
    "pending_per_author": "pending_each",
    "withdrawn_per_author": "withdrawn_each",
    "resolved_shown": "shown_proposals",
    "comments_shown": "shown_comments",
    "members_shown": "shown_members",
    "requests_shown": "shown_requests",
    "invitations_shown": "shown_invitations",
}
