"""when each session was last used: idle ones end

The previous release does not run on the new schema: stop the store, migrate, start it. Sessions that are open now
count as used at the time of the upgrade.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("last_seen_at", TIME, nullable=True))
    now = sa.bindparam("now", datetime.now(UTC), type_=TIME)
    op.execute(sa.text("UPDATE sessions SET last_seen_at = :now").bindparams(now))
    with op.batch_alter_table("sessions") as table:
        table.alter_column("last_seen_at", existing_type=TIME, nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("sessions") as table:
        table.drop_column("last_seen_at")
