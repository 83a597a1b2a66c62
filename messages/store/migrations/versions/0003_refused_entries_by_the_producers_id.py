"""Refused entries are found by the producer's id, and keep what their task said."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("refused", sa.Column("message_id", sa.String(), nullable=True))
    op.add_column("refused", sa.Column("task", sa.Text(), nullable=True))
    op.create_index(op.f("ix_refused_message_id"), "refused", ["message_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_refused_message_id"), table_name="refused")
    op.drop_column("refused", "task")
    op.drop_column("refused", "message_id")
