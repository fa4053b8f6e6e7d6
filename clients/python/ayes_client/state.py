"""The shapes of a room's ``state`` and ``you``, for editors and type checkers.

At run time they are plain dictionaries, as the server sent them. A field without a value is absent.
Times are RFC 3339, UTC, milliseconds, ``Z``. The meaning of each field is in ``docs/protocol.md``,
"What a room shows". A newer server may send more fields.
"""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

#: A JSON object.
Json: TypeAlias = dict[str, Any]

EventStatus: TypeAlias = Literal["not_started", "in_progress", "paused", "finished"]
MembershipStatus: TypeAlias = Literal["pending", "accepted", "rejected", "left", "removed"]
ProposalStatus: TypeAlias = Literal["pending", "accepted", "rejected", "deleted"]
Resolution: TypeAlias = Literal[
    "auto_votes",
    "admin",
    "revert",
    "expired",
    "withdrawn",
    "moderated",
    "target_deleted",
    "event_finished",
]
Kind: TypeAlias = Literal["assumption", "criterion", "conclusion"]
Category: TypeAlias = Literal["create", "update", "delete"]
Role: TypeAlias = Literal["admin", "member", "organiser"]
Rule: TypeAlias = Literal["count", "percent", "share"]
BallotMethod: TypeAlias = Literal["single", "approval", "ranked"]
Stance: TypeAlias = Literal["agree", "against", "abstain"]


class KindPolicy(TypedDict):
    """When a proposal of one kind passes by votes."""

    auto: bool
    rule: Rule
    threshold: NotRequired[int]
    share: NotRequired[str]
    more_than: NotRequired[bool]
    of: NotRequired[Literal["members", "votes"]]


class Terms(TypedDict, total=False):
    """The terms of a proposal's votes, as far as they differ from the defaults."""

    stances: list[Stance]
    decide: Literal["reached", "close"]
    tally: Literal["live", "close"]
    votes: Literal["secret", "named"]
    electorate: Literal["now", "opening"]


class BallotPolicy(TypedDict):
    """The method of the final ballot. ``named``: members see after the end who chose what."""

    method: BallotMethod
    named: bool


class EventPolicy(TypedDict):
    """The rules by which proposals pass. A rule that is off is absent."""

    assumption: KindPolicy
    criterion: KindPolicy
    conclusion: KindPolicy
    membership_auto: bool
    quorum_percent: NotRequired[int]
    min_open_seconds: NotRequired[int]
    ttl_seconds: NotRequired[int]
    proposer_votes: NotRequired[bool]
    guests: NotRequired[bool]
    ballot: NotRequired[BallotPolicy]
    stances: NotRequired[list[Stance]]
    decide: NotRequired[Literal["reached", "close"]]
    tally: NotRequired[Literal["live", "close"]]
    votes: NotRequired[Literal["secret", "named"]]
    electorate: NotRequired[Literal["now", "opening"]]


class Event(TypedDict):
    """The event itself. An applicant sees ``id``, ``subject`` and ``status`` alone."""

    id: str
    subject: str
    status: EventStatus
    entrance_code: NotRequired[str]
    max_members: NotRequired[int]
    policy: NotRequired[EventPolicy]
    policy_version: NotRequired[int]
    criteria_rev: NotRequired[int]
    created_at: NotRequired[str]
    starts_at: NotRequired[str]
    ends_at: NotRequired[str]


class Option(TypedDict):
    """An option of the final ballot."""

    content: str
    position: int


class Assumption(TypedDict):
    """A premise of the decision."""

    content: str
    version: int
    position: int


class Criterion(TypedDict):
    """A measure for options, with its conclusion if there is one."""

    content: str
    version: int
    position: int
    conclusion_version: int
    conclusion: NotRequired[str]


class Decision(TypedDict):
    """The tally and the rule at the moment when a proposal was closed."""

    agree: int
    eligible: int
    rule: Rule
    policy_version: int
    threshold: NotRequired[int]
    share: NotRequired[str]
    more_than: NotRequired[bool]
    of: NotRequired[Literal["members", "votes"]]
    against: NotRequired[int]
    abstain: NotRequired[int]


class Proposal(TypedDict):
    """A proposed change; ``agree`` counts the votes for ``revision``, if the tally is shown."""

    kind: Kind
    category: Category
    author: str
    status: ProposalStatus
    revision: int
    stale: bool
    created_at: str
    agree: NotRequired[int]
    against: NotRequired[int]
    abstain: NotRequired[int]
    voters: NotRequired[int]
    terms: NotRequired[Terms]
    eligible: NotRequired[int]
    target: NotRequired[str]
    base_version: NotRequired[int]
    content: NotRequired[str]
    reason: NotRequired[str]
    resolution: NotRequired[Resolution]
    resolution_reason: NotRequired[str]
    resolved_by: NotRequired[str]
    resolved_at: NotRequired[str]
    decision: NotRequired[Decision]
    opens_at: NotRequired[str]
    expires_at: NotRequired[str]
    reverts: NotRequired[str]
    reverted_by: NotRequired[str]
    no: NotRequired[int]
    resolved_no: NotRequired[int]


class Comment(TypedDict):
    """A comment on a proposal or on a criterion; one of the two is named."""

    author: str
    content: str
    version: int
    created_at: str
    proposal: NotRequired[str]
    criterion: NotRequired[str]
    no: NotRequired[int]


class Member(TypedDict):
    """An accepted member."""

    name: str
    role: Role


class JoinRequest(TypedDict):
    """An applicant who waits to be let in."""

    name: str
    requested_at: str
    position: NotRequired[int]


class Invitation(TypedDict):
    """A personal way in, which admins see."""

    name: str
    status: Literal["open", "used", "revoked"]
    created_at: str
    no: int
    ref: NotRequired[str]
    user: NotRequired[str]


class Counts(TypedDict, total=False):
    """Totals, independent of the room's windows. Empty for an applicant."""

    members: int
    ballots: int
    proposals: int
    comments: int
    requests: int
    invitations: int


class OptionResult(TypedDict):
    """How often an option was chosen."""

    option: str
    votes: int
    rank: int


class CriterionResult(TypedDict):
    """The weight of a criterion: 3 points for a first place, 2 for a second, 1 for a third."""

    criterion: str
    points: int
    rank: int


class RoundCount(TypedDict):
    """The ballots that counted for an option in one round."""

    option: str
    votes: int


class Round(TypedDict):
    """A round of a ranked count. ``exhausted``: ballots that name no option that is still in."""

    options: list[RoundCount]
    exhausted: int
    out: list[str]


class Results(TypedDict):
    """The final ballot, counted; the best first. ``rounds`` and ``winners`` of a ranked one."""

    ballots: int
    eligible: int
    options: list[OptionResult]
    criteria: list[CriterionResult]
    method: NotRequired[BallotMethod]
    rounds: NotRequired[list[Round]]
    winners: NotRequired[list[str]]


class State(TypedDict):
    """The state of a room. Collections are keyed by id. Only admins have ``requests``."""

    event: Event
    options: dict[str, Option]
    assumptions: dict[str, Assumption]
    criteria: dict[str, Criterion]
    proposals: dict[str, Proposal]
    comments: dict[str, Comment]
    members: dict[str, Member]
    counts: Counts
    results: NotRequired[Results]
    requests: NotRequired[dict[str, JoinRequest]]
    invitations: NotRequired[dict[str, Invitation]]


class Membership(TypedDict):
    """The user's own membership; with a role only while accepted."""

    status: MembershipStatus
    role: NotRequired[Role]


class Ballot(TypedDict):
    """The user's own ballot. ``criterion_order``: the ranked criteria that still exist.

    ``option`` of a single choice; ``options`` of an approval or ranked ballot.
    """

    criterion_order: list[str]
    criteria_rev: int
    option: NotRequired[str]
    options: NotRequired[list[str]]
    revision: NotRequired[int]


class You(TypedDict):
    """The part that the user alone sees. ``votes``: shown proposal → the revision voted for.

    ``stances``: shown proposal → the stance of that vote, if it is not ``agree``. Older servers
    leave it out.
    """

    membership: Membership
    votes: dict[str, int]
    stances: NotRequired[dict[str, Stance]]
    ballot: NotRequired[Ballot]
