"""items have a short line, tags, facts and further pictures; longer names and descriptions"""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LISTS = ("tags", "facts", "pictures")


def upgrade() -> None:
    with op.batch_alter_table("items") as items:
        items.add_column(sa.Column("tagline", sa.String(length=160), nullable=False, server_default=""))
        for name in LISTS:
            items.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
        items.alter_column("name", type_=sa.String(length=200), existing_nullable=False)
        items.alter_column("description", type_=sa.String(length=20000), existing_nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("items") as items:
        items.alter_column("description", type_=sa.String(length=2000), existing_nullable=False)
        items.alter_column("name", type_=sa.String(length=120), existing_nullable=False)
        for name in (*LISTS, "tagline"):
            items.drop_column(name)
