"""A request to join keeps its position, and a ballot its revision.

Both stay empty for what was written before: an event counts them under the fourth rules alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memberships", sa.Column("request_seq", sa.BigInteger()))
    op.add_column("ballots", sa.Column("revision", sa.Integer()))


def downgrade() -> None:
    op.drop_column("ballots", "revision")
    op.drop_column("memberships", "request_seq")
