"""user names that look alike are one name; payment checks are counted in memory or Redis

The previous release does not run on the new schema: stop the store, migrate, start it. Of accounts whose names
look alike already, the oldest one keeps others away; all of them can go on.
"""

import sqlalchemy as sa

from alembic import op
from store_app.accounts.usernames import skeleton

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
USERS = sa.table(
    "users",
    sa.column("id", sa.String),
    sa.column("username", sa.String),
    sa.column("username_skeleton", sa.String),
    sa.column("created_at", TIME),
    sa.column("closed_at", TIME),
)


def upgrade() -> None:
    op.add_column("users", sa.Column("username_skeleton", sa.String(length=128), nullable=True))
    connection = op.get_bind()
    is_open = USERS.c.closed_at.is_(None)
    oldest_first = sa.select(USERS.c.id, USERS.c.username).where(is_open).order_by(USERS.c.created_at, USERS.c.id)
    id_of: dict[str, str] = {}
    for user_id, username in connection.execute(oldest_first):
        id_of.setdefault(skeleton(username), user_id)
    if id_of:
        which = USERS.c.id == sa.bindparam("user")
        connection.execute(
            sa.update(USERS).where(which).values(username_skeleton=sa.bindparam("skeleton")),
            [{"user": user_id, "skeleton": alike} for alike, user_id in id_of.items()],
        )
    op.create_index("ix_users_username_skeleton", "users", ["username_skeleton"], unique=True)
    op.drop_column("users", "payments_checked_at")


def downgrade() -> None:
    op.add_column("users", sa.Column("payments_checked_at", TIME, nullable=True))
    op.drop_index("ix_users_username_skeleton", "users")
    op.drop_column("users", "username_skeleton")
