"""Invitations, and keys that all nodes share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("invitations", sa.Integer()))
    op.add_column(
        "events",
        sa.Column("invitation_floor", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "invitations",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "id", name=op.f("invitations_pkey")),
    )
    op.create_index("invitations_number_idx", "invitations", ["event_id", "number"], unique=False)
    op.create_table(
        "server_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("server_keys_pkey")),
    )


def downgrade() -> None:
    op.drop_table("server_keys")
    op.drop_index("invitations_number_idx", "invitations")
    op.drop_table("invitations")
    op.drop_column("events", "invitation_floor")
    op.drop_column("events", "invitations")
