"""Organisers: members who run an event and have no vote."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "events", sa.Column("organisers", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index(
        "memberships_organisers_idx",
        "memberships",
        ["event_id"],
        unique=False,
        postgresql_where=sa.text("status = 'accepted' AND role = 'organiser'"),
    )


def downgrade() -> None:
    op.drop_index("memberships_organisers_idx", "memberships")
    op.drop_column("events", "organisers")
