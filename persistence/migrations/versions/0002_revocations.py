"""Revoked access."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("revoked_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "changed",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("revocations_pkey")),
    )
    op.create_index("revocations_changed_idx", "revocations", ["changed"], unique=False)


def downgrade() -> None:
    op.drop_index("revocations_changed_idx", table_name="revocations")
    op.drop_table("revocations")
