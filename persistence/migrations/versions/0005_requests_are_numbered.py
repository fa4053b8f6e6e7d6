"""Requests to join are numbered in the order of asking, and counted with their event.

An event's requests get their numbers with its first change, which the journal then shows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PENDING = sa.text("status = 'pending'")


def upgrade() -> None:
    for name in ("requests", "requests_made", "request_ceiling"):
        op.add_column("events", sa.Column(name, sa.Integer()))
    op.add_column("memberships", sa.Column("request_no", sa.Integer()))
    _index("memberships_waiting_idx", "memberships_requests_idx", "request_no")


def downgrade() -> None:
    _index("memberships_requests_idx", "memberships_waiting_idx", "requested_at")
    op.drop_column("memberships", "request_no")
    for name in ("request_ceiling", "requests_made", "requests"):
        op.drop_column("events", name)


def _index(old: str, new: str, column: str) -> None:
    op.drop_index(old, table_name="memberships")
    op.create_index(
        new, "memberships", ["event_id", column], unique=False, postgresql_where=_PENDING
    )
