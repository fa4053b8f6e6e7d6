"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ballots",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("option_id", sa.Text(), nullable=False),
        sa.Column("criterion_order", sa.JSON(), nullable=False),
        sa.Column("criteria_rev", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "user_id", name=op.f("ballots_pkey")),
    )
    op.create_table(
        "comments",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("proposal_id", sa.Text(), nullable=True),
        sa.Column("criterion_id", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "id", name=op.f("comments_pkey")),
    )
    op.create_index(
        "comments_live_idx",
        "comments",
        ["event_id", "number"],
        unique=False,
        postgresql_where=sa.text("NOT deleted"),
    )
    op.create_table(
        "entrance_codes",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("entrance_codes_pkey")),
    )
    op.create_index("entrance_codes_event_id_idx", "entrance_codes", ["event_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("entrance_code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("max_members", sa.Integer(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("criteria_rev", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("results", sa.JSON(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("admins", sa.Integer(), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.Column("ballots", sa.Integer(), nullable=False),
        sa.Column("proposals", sa.Integer(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("joins", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("resolutions", sa.Integer(), nullable=False),
        sa.Column("comments_made", sa.Integer(), nullable=False),
        sa.Column("comment_floor", sa.Integer(), nullable=False),
        sa.Column("member_ceiling", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("events_pkey")),
    )
    op.create_table(
        "item_history",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("proposal_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "event_id", "item_id", "part", "version", name=op.f("item_history_pkey")
        ),
    )
    op.create_table(
        "items",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("conclusion", sa.Text(), nullable=True),
        sa.Column("conclusion_version", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('assumption', 'criterion')", name=op.f("items_kind_check")),
        sa.PrimaryKeyConstraint("event_id", "id", name=op.f("items_pkey")),
    )
    op.create_index(
        "items_live_idx",
        "items",
        ["event_id", "position"],
        unique=False,
        postgresql_where=sa.text("NOT deleted"),
    )
    op.create_table(
        "journal",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("patches", sa.JSON(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(seq IS NULL) = (hash IS NULL) AND (seq IS NULL) = (prev_hash IS NULL)",
            name=op.f("journal_position_check"),
        ),
        sa.PrimaryKeyConstraint("event_id", "user_id", "command_id", name=op.f("journal_pkey")),
    )
    op.create_index(
        "journal_event_id_seq_key",
        "journal",
        ["event_id", "seq"],
        unique=True,
        postgresql_where=sa.text("seq IS NOT NULL"),
    )
    op.create_index(
        "journal_refusals_at_idx",
        "journal",
        ["at"],
        unique=False,
        postgresql_where=sa.text("seq IS NULL"),
    )
    op.create_table(
        "memberships",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("joined_no", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "user_id", name=op.f("memberships_pkey")),
    )
    op.create_index(
        "memberships_admins_idx",
        "memberships",
        ["event_id"],
        unique=False,
        postgresql_where=sa.text("status = 'accepted' AND role = 'admin'"),
    )
    op.create_index(
        "memberships_joined_idx",
        "memberships",
        ["event_id", "joined_no"],
        unique=False,
        postgresql_where=sa.text("status = 'accepted'"),
    )
    op.create_index("memberships_user_id_idx", "memberships", ["user_id", "event_id"], unique=False)
    op.create_index(
        "memberships_waiting_idx",
        "memberships",
        ["event_id", "requested_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "options",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "id", name=op.f("options_pkey")),
    )
    op.create_table(
        "proposals",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("base_version", sa.Integer(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("resolution_reason", sa.Text(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_seq", sa.BigInteger(), nullable=True),
        sa.Column("resolved_no", sa.Integer(), nullable=True),
        sa.Column("decision", sa.JSON(), nullable=True),
        sa.Column("agree", sa.Integer(), nullable=False),
        sa.Column("voters", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=True),
        sa.Column("item_version", sa.Integer(), nullable=True),
        sa.Column("reverts", sa.Text(), nullable=True),
        sa.Column("reverted_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "id", name=op.f("proposals_pkey")),
    )
    op.create_index(
        "proposals_expires_at_idx",
        "proposals",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND expires_at IS NOT NULL"),
    )
    op.create_index(
        "proposals_opens_at_idx",
        "proposals",
        ["opens_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND opens_at IS NOT NULL"),
    )
    op.create_index(
        "proposals_pending_idx",
        "proposals",
        ["event_id", "number"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "proposals_resolved_idx",
        "proposals",
        ["event_id", "resolved_no"],
        unique=False,
        postgresql_where=sa.text("resolved_no IS NOT NULL"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
    )
    op.create_table(
        "votes",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "proposal_id", "user_id", name=op.f("votes_pkey")),
    )
    op.create_index("votes_user_idx", "votes", ["event_id", "user_id", "proposal_id"], unique=False)


def downgrade() -> None:
    op.drop_index("votes_user_idx", table_name="votes")
    op.drop_table("votes")
    op.drop_table("users")
    op.drop_index(
        "proposals_resolved_idx",
        table_name="proposals",
        postgresql_where=sa.text("resolved_no IS NOT NULL"),
    )
    op.drop_index(
        "proposals_pending_idx",
        table_name="proposals",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index(
        "proposals_opens_at_idx",
        table_name="proposals",
        postgresql_where=sa.text("status = 'pending' AND opens_at IS NOT NULL"),
    )
    op.drop_index(
        "proposals_expires_at_idx",
        table_name="proposals",
        postgresql_where=sa.text("status = 'pending' AND expires_at IS NOT NULL"),
    )
    op.drop_table("proposals")
    op.drop_table("options")
    op.drop_index(
        "memberships_waiting_idx",
        table_name="memberships",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("memberships_user_id_idx", table_name="memberships")
    op.drop_index(
        "memberships_joined_idx",
        table_name="memberships",
        postgresql_where=sa.text("status = 'accepted'"),
    )
    op.drop_index(
        "memberships_admins_idx",
        table_name="memberships",
        postgresql_where=sa.text("status = 'accepted' AND role = 'admin'"),
    )
    op.drop_table("memberships")
    op.drop_index(
        "journal_refusals_at_idx", table_name="journal", postgresql_where=sa.text("seq IS NULL")
    )
    op.drop_table("journal")
    op.drop_index("items_live_idx", table_name="items", postgresql_where=sa.text("NOT deleted"))
    op.drop_table("items")
    op.drop_table("item_history")
    op.drop_table("events")
    op.drop_index("entrance_codes_event_id_idx", table_name="entrance_codes")
    op.drop_table("entrance_codes")
    op.drop_index(
        "comments_live_idx", table_name="comments", postgresql_where=sa.text("NOT deleted")
    )
    op.drop_table("comments")
    op.drop_table("ballots")
