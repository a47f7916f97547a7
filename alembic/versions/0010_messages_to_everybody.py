"""messages to everybody, which have no user: the catalogue was changed"""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic.operations import BatchOperations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with _outbox() as outbox:
        outbox.alter_column("user_id", existing_type=sa.String(length=36), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM outbox WHERE user_id IS NULL")
    with _outbox() as outbox:
        outbox.alter_column("user_id", existing_type=sa.String(length=36), nullable=False)


def _outbox() -> AbstractContextManager[BatchOperations]:
    """On SQLite, keep the ids of deleted messages from being used again in the copy that replaces the table."""
    return op.batch_alter_table("outbox", table_kwargs={"sqlite_autoincrement": True})
