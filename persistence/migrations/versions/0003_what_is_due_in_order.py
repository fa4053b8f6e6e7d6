"""Proposals by their moments, in the whole order in which the timers page through them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENTS = ("opens_at", "expires_at")


def upgrade() -> None:
    _index_by("event_id", "id")


def downgrade() -> None:
    _index_by()


def _index_by(*behind: str) -> None:
    for moment in _MOMENTS:
        name = f"proposals_{moment}_idx"
        op.drop_index(name, table_name="proposals")
        op.create_index(
            name,
            "proposals",
            [moment, *behind],
            unique=False,
            postgresql_where=sa.text(f"status = 'pending' AND {moment} IS NOT NULL"),
        )
