"""A vote has a stance, and a proposal has terms and counts more than those who agree.

A vote from before says ``agree``; a proposal without terms has the defaults. ``vote_no`` stays
empty for members who were never organisers.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("votes", sa.Column("stance", sa.Text(), nullable=False, server_default="agree"))
    for name in ("against", "abstain"):
        op.add_column(
            "proposals", sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        )
    op.add_column("proposals", sa.Column("terms", sa.JSON()))
    op.add_column("proposals", sa.Column("eligible", sa.Integer()))
    op.add_column("proposals", sa.Column("opened_joins", sa.Integer()))
    op.add_column("memberships", sa.Column("vote_no", sa.Integer()))


def downgrade() -> None:
    op.drop_column("memberships", "vote_no")
    for name in ("opened_joins", "eligible", "terms", "abstain", "against"):
        op.drop_column("proposals", name)
    op.drop_column("votes", "stance")
