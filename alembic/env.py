"""Run migrations against DATABASE_URL (or the engine a test hands over)."""

from typing import Any, Literal

from sqlmodel.sql.sqltypes import AutoString

from alembic import context
from store_app.db.engine import get_engine
from store_app.models import metadata
from store_app.models.base import UtcDateTime


def render_plainly(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types as SQLAlchemy's, so that a migration outlives the models it came from."""
    if kind == "type" and isinstance(thing, AutoString):
        return f"sa.String(length={thing.length})" if thing.length else "sa.String()"
    if kind == "type" and isinstance(thing, UtcDateTime):
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
            render_item=render_plainly,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
