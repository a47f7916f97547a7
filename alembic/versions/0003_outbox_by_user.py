"""the outbox by user: their messages keep their order"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_user_id", "outbox", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_outbox_user_id", table_name="outbox")
