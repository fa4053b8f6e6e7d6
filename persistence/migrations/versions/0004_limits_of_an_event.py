"""Limits stored with the event they decide, and the floor of the resolved proposals shown.

Both columns may be left out by a node from before them, which goes on writing beside newer ones.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("limits", sa.JSON()))
    op.add_column(
        "events", sa.Column("resolved_floor", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("events", "resolved_floor")
    op.drop_column("events", "limits")
