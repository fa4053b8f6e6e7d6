"""The policy of an event: when a proposal passes by its votes.

``Policy`` is the whole policy. ``PolicyPatch`` is a merge patch on it: absent fields stay, and
``null`` removes an optional rule.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from protocol.errors import bad_request

ProposalKind: TypeAlias = Literal["assumption", "criterion", "conclusion"]
Rule: TypeAlias = Literal["count", "percent"]
BallotMethod: TypeAlias = Literal["single", "approval", "ranked"]

Threshold = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]

KINDS: tuple[ProposalKind, ...] = ("assumption", "criterion", "conclusion")


class KindPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When votes accept a proposal of one kind.

    ``count``: at least ``threshold`` members agree. ``percent``: at least ``threshold`` percent of
    the accepted members agree.
    """

    auto: bool
    rule: Rule
    threshold: Threshold


class BallotPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The method of the final ballot, and whether members see after the end who chose what.

    ``single``: one option. ``approval``: a set of options. ``ranked``: options in order, best
    first, counted by instant runoff.
    """

    method: BallotMethod
    named: bool


#: The final ballot of an event whose policy says nothing of it.
DEFAULT_BALLOT = BallotPolicy(method="single", named=False)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The whole policy. Rules that are ``None`` are off, and absent on the wire."""

    assumption: KindPolicy = KindPolicy(auto=True, rule="count", threshold=3)
    criterion: KindPolicy = KindPolicy(auto=True, rule="count", threshold=3)
    conclusion: KindPolicy = KindPolicy(auto=True, rule="percent", threshold=60)
    membership_auto: bool = False
    quorum_percent: Percent | None = None
    min_open_seconds: Seconds | None = None
    ttl_seconds: Seconds | None = None
    proposer_votes: bool | None = None
    ballot: BallotPolicy | None = None

    def of(self, kind: ProposalKind) -> KindPolicy:
        """Return the rule for proposals of ``kind``."""
        found: KindPolicy = getattr(self, kind)
        return found

    @property
    def final_ballot(self) -> BallotPolicy:
        """The final ballot's rules."""
        return self.ballot or DEFAULT_BALLOT


class KindPolicyPatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A merge patch on ``KindPolicy``."""

    auto: bool | UnsetType = UNSET
    rule: Rule | UnsetType = UNSET
    threshold: Threshold | UnsetType = UNSET


class BallotPolicyPatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A merge patch on ``BallotPolicy``."""

    method: BallotMethod | UnsetType = UNSET
    named: bool | UnsetType = UNSET


class PolicyPatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A merge patch on ``Policy``."""

    assumption: KindPolicyPatch | UnsetType = UNSET
    criterion: KindPolicyPatch | UnsetType = UNSET
    conclusion: KindPolicyPatch | UnsetType = UNSET
    membership_auto: bool | UnsetType = UNSET
    quorum_percent: Percent | UnsetType | None = UNSET
    min_open_seconds: Seconds | UnsetType | None = UNSET
    ttl_seconds: Seconds | UnsetType | None = UNSET
    proposer_votes: bool | UnsetType | None = UNSET
    ballot: BallotPolicyPatch | UnsetType | None = UNSET


def merge_policy(policy: Policy, patch: PolicyPatch) -> Policy:
    """Return ``policy`` with ``patch`` merged in; raise ``bad_request`` for a percent over 100."""
    changes: dict[str, object] = {}
    for field in PolicyPatch.__struct_fields__:
        value = getattr(patch, field)
        if value is UNSET:
            continue
        if isinstance(value, KindPolicyPatch):
            current = getattr(policy, field)
            merged = msgspec.structs.replace(current, **_given(value))
            if merged.rule == "percent" and merged.threshold > 100:
                raise bad_request(f"policy.{field}.threshold", "a percentage is at most 100")
            value = merged
        elif isinstance(value, BallotPolicyPatch):
            value = msgspec.structs.replace(policy.final_ballot, **_given(value))
        changes[field] = value
    return msgspec.structs.replace(policy, **changes)


def _given(patch: KindPolicyPatch | BallotPolicyPatch) -> dict[str, object]:
    return {
        field: value
        for field in patch.__struct_fields__
        if (value := getattr(patch, field)) is not UNSET
    }
