"""The policy of an event: when a proposal passes by its votes, and on which terms people vote.

``Policy`` is the whole policy. ``PolicyPatch`` is a merge patch on it: absent fields stay, and
``null`` removes an optional rule. ``Terms`` are the part that a proposal keeps from its creation.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from protocol.errors import bad_request

ProposalKind: TypeAlias = Literal["assumption", "criterion", "conclusion"]
Rule: TypeAlias = Literal["count", "percent", "share"]
BallotMethod: TypeAlias = Literal["single", "approval", "ranked"]
Base: TypeAlias = Literal["members", "votes"]
Stance: TypeAlias = Literal["agree", "against", "abstain"]
Decide: TypeAlias = Literal["reached", "close"]
TallyShown: TypeAlias = Literal["live", "close"]
VoteSecrecy: TypeAlias = Literal["secret", "named"]
Electorate: TypeAlias = Literal["now", "opening"]

Threshold = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
#: A fraction ``a/b`` of whole numbers, 1 ≤ a ≤ b ≤ 1,000.
Share = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A([1-9][0-9]{0,2}|1000)/([1-9][0-9]{0,2}|1000)\Z",
        description="A fraction a/b of whole numbers, 1 ≤ a ≤ b ≤ 1,000.",
        examples=["2/3"],
    ),
]

#: The values that ``stances`` can have.
STANCES: Final[list[list[Stance]]] = [
    ["agree"],
    ["agree", "against"],
    ["agree", "against", "abstain"],
]
Stances = Annotated[
    list[Stance],
    msgspec.Meta(
        min_length=1,
        max_length=3,
        description="What a vote may say.",
        examples=[["agree", "against", "abstain"]],
        extra_json_schema={"enum": STANCES},
    ),
]

KINDS: tuple[ProposalKind, ...] = ("assumption", "criterion", "conclusion")


class KindPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When votes accept a proposal of one kind.

    ``count``: at least ``threshold`` members agree. ``percent``: at least ``threshold`` percent of
    those who may vote agree. ``share``: at least ``share`` of them agree, or with ``more_than``
    strictly more. With ``of`` = ``votes`` the share is that of the votes for and against.
    """

    auto: bool
    rule: Rule
    threshold: Threshold | UnsetType = UNSET
    share: Share | UnsetType = UNSET
    more_than: bool | UnsetType = UNSET
    of: Base | UnsetType = UNSET


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of the votes on a proposal: the policy's when it was made."""

    stances: tuple[Stance, ...] = ("agree",)
    decide: Decide = "reached"
    tally: TallyShown = "live"
    votes: VoteSecrecy = "secret"
    electorate: Electorate = "now"

    def allows(self, stance: Stance) -> bool:
        """Whether a vote may say ``stance``."""
        return stance in self.stances

    @property
    def has_choice(self) -> bool:
        """Whether a vote may say more than that its voter agrees."""
        return len(self.stances) > 1


DEFAULT_TERMS: Final = Terms()


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
    guests: bool | None = None
    """Whether guests, who have no account, may join by the code."""
    ballot: BallotPolicy | None = None
    stances: Stances | None = None
    decide: Decide | None = None
    tally: TallyShown | None = None
    votes: VoteSecrecy | None = None
    electorate: Electorate | None = None

    def of(self, kind: ProposalKind) -> KindPolicy:
        """Return the rule for proposals of ``kind``."""
        found: KindPolicy = getattr(self, kind)
        return found

    @property
    def final_ballot(self) -> BallotPolicy:
        """The final ballot's rules."""
        return self.ballot or DEFAULT_BALLOT

    def terms(self) -> Terms:
        """Return the terms of a proposal that is made now."""
        given: dict[str, Any] = {
            field: tuple(value) if isinstance(value, list) else value
            for field in Terms.__struct_fields__
            if (value := getattr(self, field)) is not None
        }
        return Terms(**given) if given else DEFAULT_TERMS


class KindPolicyPatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A merge patch on ``KindPolicy``. Fields of another rule than the merged one are dropped."""

    auto: bool | UnsetType = UNSET
    rule: Rule | UnsetType = UNSET
    threshold: Threshold | UnsetType | None = UNSET
    share: Share | UnsetType | None = UNSET
    more_than: bool | UnsetType | None = UNSET
    of: Base | UnsetType | None = UNSET


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
    guests: bool | UnsetType | None = UNSET
    ballot: BallotPolicyPatch | UnsetType | None = UNSET
    stances: Stances | UnsetType | None = UNSET
    decide: Decide | UnsetType | None = UNSET
    tally: TallyShown | UnsetType | None = UNSET
    votes: VoteSecrecy | UnsetType | None = UNSET
    electorate: Electorate | UnsetType | None = UNSET

    def check(self) -> None:
        """Raise ``bad_request`` for what no policy can have."""
        if isinstance(self.stances, list) and self.stances not in STANCES:
            raise bad_request(
                "policy.stances", "stances are agree, then against, then abstain, in this order"
            )


def fraction(share: str) -> tuple[int, int]:
    """Return the numerator and the denominator of a ``Share``, such as ``2/3``."""
    numerator, _, denominator = share.partition("/")
    return int(numerator), int(denominator)


def merge_policy(policy: Policy, patch: PolicyPatch) -> Policy:
    """Return ``policy`` with ``patch`` merged in; raise ``bad_request`` if that is no policy."""
    patch.check()
    changes: dict[str, object] = {}
    for field in PolicyPatch.__struct_fields__:
        value = getattr(patch, field)
        if value is UNSET:
            continue
        if isinstance(value, KindPolicyPatch):
            value = _merge_kind(getattr(policy, field), value, f"policy.{field}")
        elif isinstance(value, BallotPolicyPatch):
            value = msgspec.structs.replace(policy.final_ballot, **_given(value))
        changes[field] = value
    merged = msgspec.structs.replace(policy, **changes)
    _check_closing(merged)
    return merged


def _merge_kind(current: KindPolicy, patch: KindPolicyPatch, path: str) -> KindPolicy:
    given = _given(patch)
    merged: dict[str, Any] = msgspec.structs.asdict(current) | given
    is_share = merged["rule"] == "share"
    for field in ("threshold",) if is_share else ("share", "more_than", "of"):
        if given.get(field) is not None:
            raise bad_request(f"{path}.{field}", f"the rule {merged['rule']} has no {field}")
        merged[field] = UNSET
    needed = "share" if is_share else "threshold"
    if merged[needed] is None or merged[needed] is UNSET:
        raise bad_request(f"{path}.{needed}", f"the rule {merged['rule']} needs a {needed}")
    if is_share:
        merged["more_than"] = merged["more_than"] is True
        merged["of"] = "votes" if merged["of"] == "votes" else "members"
        numerator, denominator = fraction(merged["share"])
        if numerator > denominator:
            raise bad_request(f"{path}.share", "a share is at most the whole")
        if merged["more_than"] and numerator == denominator:
            raise bad_request(f"{path}.more_than", "nobody is more than the whole")
    elif merged["rule"] == "percent" and merged["threshold"] > 100:
        raise bad_request(f"{path}.threshold", "a percentage is at most 100")
    return KindPolicy(**merged)


def _given(patch: KindPolicyPatch | BallotPolicyPatch) -> dict[str, Any]:
    return {
        field: value
        for field in patch.__struct_fields__
        if (value := getattr(patch, field)) is not UNSET
    }


def _check_closing(policy: Policy) -> None:
    """Raise ``bad_request`` if votes are to decide at a moment that never comes, or too early."""
    closes = policy.decide == "close"
    if closes and not policy.ttl_seconds:
        raise bad_request("policy.decide", "to decide at the close, proposals need ttl_seconds")
    for kind in KINDS:
        if policy.of(kind).of == "votes" and not closes:
            raise bad_request(
                f"policy.{kind}.of",
                "a share of the votes needs decide: close; otherwise the first vote decides",
            )
