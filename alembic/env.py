"""Run migrations against DATABASE_URL, or an engine that a test passes."""

from typing import Any, Literal

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


def run() -> None:
    """Migrate online; SQLite changes tables by copying them (`render_as_batch`)."""
    engine = context.config.attributes.get("engine") or get_engine()
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            render_item=render_column_type,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
