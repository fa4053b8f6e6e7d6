"""A membership keeps the revision of its latest ballot that is gone.

Empty for ballots that went under older rules: there the next one is 1 again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memberships", sa.Column("ballot_revision", sa.Integer()))


def downgrade() -> None:
    op.drop_column("memberships", "ballot_revision")
