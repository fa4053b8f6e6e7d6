"""The tables.

Every key begins with ``event_id``, so that an event lies on one shard with all that belongs to it.
The exceptions are ``users``, ``revocations`` and ``entrance_codes``, read before the event is
known. Ids are text made by the server; ordinals (``seq``, ``*_no``) count within the event.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


#: Of a membership: the part of the rows that most queries want.
_IS_ACCEPTED = text("status = 'accepted'")


def _moment() -> DateTime:
    return DateTime(timezone=True)


users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", _moment(), nullable=False, server_default=text("now()")),
)

revocations = Table(
    "revocations",
    metadata,
    # No reference to ``users``: access can be revoked for a user who never connected.
    Column("user_id", Text, primary_key=True),
    Column("revoked_before", _moment(), nullable=False),
    # The transaction that wrote the row; see ``persistence.queries.revocations``.
    Column(
        "changed",
        BigInteger,
        nullable=False,
        server_default=text("(pg_current_xact_id()::text)::bigint"),
    ),
    Index("revocations_changed_idx", "changed"),
)

entrance_codes = Table(
    "entrance_codes",
    metadata,
    Column("code", Text, primary_key=True),
    Column("event_id", Text, nullable=False),
    # Retired codes stay, so that a repeated join still finds its event.
    Index("entrance_codes_event_id_idx", "event_id"),
)

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("entrance_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("max_members", Integer, nullable=False),
    Column("policy", JSON, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("criteria_rev", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", _moment(), nullable=False),
    Column("paused_at", _moment()),
    Column("finished_at", _moment()),
    Column("results", JSON),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    # Totals, so that no decision has to count rows.
    Column("members", Integer, nullable=False),
    Column("admins", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("ballots", Integer, nullable=False),
    Column("proposals", Integer, nullable=False),
    Column("comments", Integer, nullable=False),
    # Ordinals given so far, and the floors of the windows that the room shows.
    Column("joins", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("resolutions", Integer, nullable=False),
    Column("comments_made", Integer, nullable=False),
    Column("comment_floor", Integer, nullable=False),
    Column("member_ceiling", Integer),
    Column("limits", JSON),  # null until they are recorded; older nodes leave it unchanged
    Column("resolved_floor", Integer, nullable=False, server_default=text("0")),
    Column("requests", Integer),  # these three null until requests are numbered
    Column("requests_made", Integer),
    Column("request_ceiling", Integer),
    # Without a vote; ``members`` leaves them out.
    Column("organisers", Integer, nullable=False, server_default=text("0")),
    # Null until the event has an invitation, or from the fifth rules on.
    Column("invitations", Integer),
    Column("invitation_floor", Integer, nullable=False, server_default=text("0")),
    Column("starts_at", _moment()),
    Column("ends_at", _moment()),
    Column("ends_set_at", _moment()),
    Column("ballot_fixed", Boolean, nullable=False, server_default=text("false")),
    Index(
        "events_starts_idx",
        "starts_at",
        "id",
        postgresql_where=text("status = 'not_started' AND starts_at IS NOT NULL"),
    ),
    Index(
        "events_ends_idx",
        "ends_at",
        "id",
        postgresql_where=text("status = 'in_progress' AND ends_at IS NOT NULL"),
    ),
)

memberships = Table(
    "memberships",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("requested_at", _moment(), nullable=False),
    Column("joined_at", _moment()),
    Column("ended_at", _moment()),
    Column("decided_by", Text),
    Column("joined_no", Integer),
    Column("request_no", Integer),
    Column("request_seq", BigInteger),
    Column("vote_no", Integer),
    Column("ballot_revision", Integer),
    PrimaryKeyConstraint("event_id", "user_id"),
    # For "my events", and for all memberships of a user whose access is revoked.
    Index("memberships_user_id_idx", "user_id", "event_id"),
    Index("memberships_joined_idx", "event_id", "joined_no", postgresql_where=_IS_ACCEPTED),
    Index(
        "memberships_admins_idx",
        "event_id",
        postgresql_where=text("status = 'accepted' AND role = 'admin'"),
    ),
    Index(
        "memberships_organisers_idx",
        "event_id",
        postgresql_where=text("status = 'accepted' AND role = 'organiser'"),
    ),
    Index(
        "memberships_requests_idx",
        "event_id",
        "request_no",
        postgresql_where=text("status = 'pending'"),
    ),
)

options = Table(
    "options",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
)

items = Table(
    "items",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("conclusion", Text),
    Column("conclusion_version", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    CheckConstraint("kind IN ('assumption', 'criterion')", name="kind"),
    Index("items_live_idx", "event_id", "position", postgresql_where=text("NOT deleted")),
)

item_history = Table(
    "item_history",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    # 'content' of an assumption or criterion, or the 'conclusion' of a criterion.
    Column("part", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content", Text),
    Column("proposal_id", Text),
    Column("user_id", Text, nullable=False),
    Column("at", _moment(), nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("event_id", "item_id", "part", "version"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("target", Text),
    Column("base_version", Integer),
    Column("content", Text),
    Column("reason", Text),
    Column("author", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("resolution", Text),
    Column("resolution_reason", Text),
    Column("resolved_by", Text),
    Column("resolved_at", _moment()),
    Column("resolved_seq", BigInteger),
    Column("resolved_no", Integer),
    Column("decision", JSON),
    Column("agree", Integer, nullable=False),
    Column("voters", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("stale", Boolean, nullable=False),
    Column("opens_at", _moment()),
    Column("expires_at", _moment()),
    Column("created_at", _moment(), nullable=False),
    # What an accepted proposal made or left behind, for a revert.
    Column("item_id", Text),
    Column("item_version", Integer),
    Column("reverts", Text),
    Column("reverted_by", Text),
    Column("against", Integer, nullable=False, server_default=text("0")),
    Column("abstain", Integer, nullable=False, server_default=text("0")),
    # The terms that are not the defaults; null if there are none.
    Column("terms", JSON),
    # Both null unless the electorate is that of the opening.
    Column("eligible", Integer),
    Column("opened_joins", Integer),
    PrimaryKeyConstraint("event_id", "id"),
    Index(
        "proposals_pending_idx", "event_id", "number", postgresql_where=text("status = 'pending'")
    ),
    # Partial, so that the planner never prefers it to the primary key for a look-up by id.
    Index(
        "proposals_resolved_idx",
        "event_id",
        "resolved_no",
        postgresql_where=text("resolved_no IS NOT NULL"),
    ),
    # In the order of ``persistence/queries/due.py``: a small table's plan would sort otherwise.
    Index(
        "proposals_opens_at_idx",
        "opens_at",
        "event_id",
        "id",
        postgresql_where=text("status = 'pending' AND opens_at IS NOT NULL"),
    ),
    Index(
        "proposals_expires_at_idx",
        "expires_at",
        "event_id",
        "id",
        postgresql_where=text("status = 'pending' AND expires_at IS NOT NULL"),
    ),
)

votes = Table(
    "votes",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("proposal_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("stance", Text, nullable=False, server_default=text("'agree'")),
    PrimaryKeyConstraint("event_id", "proposal_id", "user_id"),
    Index("votes_user_idx", "event_id", "user_id", "proposal_id"),
)

ballots = Table(
    "ballots",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("option_id", Text, nullable=False),
    Column("criterion_order", JSON, nullable=False),
    Column("criteria_rev", Integer, nullable=False),
    Column("revision", Integer),
    # Of an approval or ranked ballot; ``option_id`` is the first one.
    Column("options", JSON),
    Column("seq", BigInteger),
    PrimaryKeyConstraint("event_id", "user_id"),
)

comments = Table(
    "comments",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("proposal_id", Text),
    Column("criterion_id", Text),
    Column("author", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", _moment(), nullable=False),
    Column("deleted", Boolean, nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    Index("comments_live_idx", "event_id", "number", postgresql_where=text("NOT deleted")),
)

invitations = Table(
    "invitations",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("ref", Text),
    Column("status", Text, nullable=False),
    Column("user_id", Text),
    Column("created_at", _moment(), nullable=False),
    PrimaryKeyConstraint("event_id", "id"),
    Index("invitations_number_idx", "event_id", "number"),
)

# Keys that all nodes share, such as the one that signs the tokens of guests.
server_keys = Table(
    "server_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

# Events that an operator deleted. The journal keeps the ids and answers of their commands.
deleted_events = Table(
    "deleted_events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("deleted_at", _moment(), nullable=False, server_default=text("now()")),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("seq", BigInteger),
    Column("command", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # JSON kept exactly as written (json, not jsonb): the hash chain covers these very bytes.
    Column("payload", JSON),
    Column("answer", JSON),
    Column("patches", JSON),
    Column("at", _moment(), nullable=False),
    Column("prev_hash", LargeBinary),
    Column("hash", LargeBinary),
    # What an entry said whose words were erased, as digests by label. Only erasing writes them.
    Column("digests", JSON, info={"appended": False}),
    PrimaryKeyConstraint("event_id", "user_id", "command_id"),
    # Partial: without statistics, a full index would look as good as the key for a look-up by key.
    Index(
        "journal_event_id_seq_key",
        "event_id",
        "seq",
        unique=True,
        postgresql_where=text("seq IS NOT NULL"),
    ),
    Index("journal_refusals_at_idx", "at", postgresql_where=text("seq IS NULL")),
    CheckConstraint(
        "(seq IS NULL) = (hash IS NULL) AND (seq IS NULL) = (prev_hash IS NULL)", name="position"
    ),
)
