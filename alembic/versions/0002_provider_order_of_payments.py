"""the provider's order of a payment: what undoes it may name only that"""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payments", sa.Column("provider_order_id", sa.String(length=64), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("payments", "provider_order_id")
