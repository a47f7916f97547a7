"""Run migrations against DATABASE_URL, or an engine that a test passes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel.sql.sqltypes import AutoString

from alembic import context
from store_app.db.engine import get_engine
from store_app.models import metadata
from store_app.models.base import UtcDateTime


def render_column_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Render our own column types as SQLAlchemy's, so that a migration does not depend on the models."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


@contextmanager
def unchecked_references(connection: Connection) -> Iterator[None]:
    """Let SQLite replace a table that others refer to by its copy; `check_references` looks afterwards."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # Not through SQLAlchemy, which would begin a transaction: within one this does nothing.
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON")


def check_references(ctx: MigrationContext, **_: Any) -> None:
    """Fail in the transaction of a migration that leaves rows without what they refer to."""
    if ctx.dialect.name == "sqlite" and ctx.connection:
        broken = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"rows without what they refer to: {broken[:5]}")


def run() -> None:
    """Migrate online; SQLite changes tables by copying them (`render_as_batch`)."""
    engine = context.config.attributes.get("engine") or get_engine()
    with engine.connect() as connection, unchecked_references(connection):
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            render_item=render_column_type,
            compare_type=True,
            transaction_per_migration=True,
            on_version_apply=check_references,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
