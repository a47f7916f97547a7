"""payments, attempts and deliveries name their provider; ids of a provider are unique for it alone"""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# SQLite does not reflect them when a table is copied.
PAYMENT_CHECKS = (
    sa.CheckConstraint("amount = 0 OR (kind = 'payment') = (amount > 0)", name="sign_fits_kind"),
    sa.CheckConstraint("kind IN ('payment', 'refund', 'partial_refund', 'chargeback')", name="kind_known"),
)
# What PostgreSQL named by itself, and SQLite left without a name.
UNNAMED = {
    "postgresql": {"uq": "%(table_name)s_%(column_0_name)s_key"},
    "sqlite": {"uq": "uq_%(table_name)s_%(column_0_name)s"},
}
OLD_UNIQUE = {
    "postgresql": "payment_attempts_provider_order_id_key",
    "sqlite": "uq_payment_attempts_provider_order_id",
}


def _provider() -> sa.Column[str]:
    # What exists was Xsolla's. The default stays: during a rolling deployment the previous release still inserts.
    return sa.Column("provider", sa.String(length=32), nullable=False, server_default="xsolla")


# In the sequence in which a delivery uses the tables, so that a migration under load does not deadlock.
def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    with op.batch_alter_table("payment_attempts", naming_convention=UNNAMED[dialect]) as table:
        table.add_column(_provider())
        table.drop_constraint(OLD_UNIQUE[dialect], type_="unique")
        table.create_unique_constraint("uq_payment_attempts_provider_order", ["provider_order_id", "provider"])
    with op.batch_alter_table("payments", table_args=PAYMENT_CHECKS) as table:
        table.add_column(_provider())
        table.drop_constraint("uq_payments_kind_provider_id", type_="unique")
        table.create_unique_constraint("uq_payments_provider_kind_id", ["provider", "kind", "provider_id"])
    op.add_column("webhook_deliveries", _provider())
    op.add_column(
        "webhook_deliveries", sa.Column("event_number", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Refuse while another provider has payments: the old schema would take them for Xsolla's."""
    for table in ("payment_attempts", "payments", "webhook_deliveries"):
        others = sa.text(f"SELECT count(*) FROM {table} WHERE provider NOT IN ('xsolla', '')")  # noqa: S608 - names
        if op.get_bind().execute(others).scalar():
            raise RuntimeError(
                f"{table} has rows of another provider than Xsolla: the schema before cannot hold them"
            )
    dialect = op.get_bind().dialect.name
    with op.batch_alter_table("payment_attempts", naming_convention=UNNAMED[dialect]) as table:
        table.drop_constraint("uq_payment_attempts_provider_order", type_="unique")
        table.drop_column("provider")
        table.create_unique_constraint(OLD_UNIQUE[dialect], ["provider_order_id"])
    with op.batch_alter_table("payments", table_args=PAYMENT_CHECKS) as table:
        table.drop_constraint("uq_payments_provider_kind_id", type_="unique")
        table.drop_column("provider")
        table.create_unique_constraint("uq_payments_kind_provider_id", ["kind", "provider_id"])
    op.drop_column("webhook_deliveries", "event_number")
    op.drop_column("webhook_deliveries", "provider")
