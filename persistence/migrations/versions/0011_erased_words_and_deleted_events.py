"""Digests of erased journal entries, and the events that were deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("digests", sa.JSON()))
    op.create_table(
        "deleted_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("deleted_events_pkey")),
    )


def downgrade() -> None:
    op.drop_table("deleted_events")
    op.drop_column("journal", "digests")
