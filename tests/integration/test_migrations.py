"""Migrations: up, down and up again on both databases, and no drift between them and the models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from alembic import command
from store_app.models import metadata
from store_app.web.http import health
from tests.integration.conftest import alembic_config
from tests.integration.shop import use_database
from tests.support.processes import ROOT

TABLES = set(metadata.tables)
SPECIFIED = {
    "items": {"id", "name", "description", "price", "sku", "kind", "image", "status", "currency"},
    "users": {"id", "username", "password"},
    "purchases": {"id", "user_id", "item_id", "timestamp", "order_id"},
    "pending_purchases": {"id", "user_id", "item_id", "timestamp", "order_id"},
}


@pytest.fixture
def config(empty_url: str) -> Iterator[Config]:
    config = alembic_config(empty_url)
    yield config
    config.attributes["engine"].dispose()


def _tables(config: Config) -> set[str]:
    return set(inspect(config.attributes["engine"]).get_table_names())


def test_up_down_and_up_again(config: Config) -> None:
    command.upgrade(config, "head")
    assert _tables(config) == TABLES | {"alembic_version"}
    command.downgrade(config, "base")
    assert _tables(config) == {"alembic_version"}
    command.upgrade(config, "head")
    assert _tables(config) == TABLES | {"alembic_version"}


def test_the_models_have_not_drifted_from_the_migrations(config: Config) -> None:
    command.upgrade(config, "head")
    command.check(config)


def test_the_specified_tables_have_their_columns(config: Config) -> None:
    command.upgrade(config, "head")
    inspector = inspect(config.attributes["engine"])
    for table, columns in SPECIFIED.items():
        assert columns <= {column["name"] for column in inspector.get_columns(table)}


def test_no_amount_is_a_floating_point_number(config: Config) -> None:
    command.upgrade(config, "head")
    inspector = inspect(config.attributes["engine"])
    for table in TABLES:
        for column in inspector.get_columns(table):
            assert column["type"].__class__.__name__ not in {
                "FLOAT",
                "REAL",
                "DOUBLE",
                "DOUBLE_PRECISION",
                "NUMERIC",
            }


def _constraints(engine: Engine) -> dict[str, set[str]]:
    inspector = inspect(engine)
    return {
        table: {str(check["name"]) for check in inspector.get_check_constraints(table)}
        | {str(sorted(key["constrained_columns"])) for key in inspector.get_foreign_keys(table)}
        for table in TABLES
    }


def test_the_migrations_make_the_checks_and_foreign_keys_of_the_models(config: Config) -> None:
    # `alembic check` compares neither.
    command.upgrade(config, "head")
    migrated = _constraints(config.attributes["engine"])
    command.downgrade(config, "base")
    metadata.create_all(config.attributes["engine"])
    assert _constraints(config.attributes["engine"]) == migrated


def test_sqlite_checks_references_after_each_migration_and_then_again_always(tmp_path: Path) -> None:
    config = alembic_config(f"sqlite:///{tmp_path / 'store.db'}")
    command.upgrade(config, "0004")
    with config.attributes["engine"].connect() as connection:
        driver = connection.connection.dbapi_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("INSERT INTO order_events (order_id, kind, at) VALUES ('none', 'paid', '2026-11-24')")
    with pytest.raises(RuntimeError, match="order_events"):
        command.upgrade(config, "0005")
    assert "payments" in _tables(config)
    assert "attention_flags" not in _tables(config)
    _execute(config, "DELETE FROM order_events")
    command.upgrade(config, "0005")
    with pytest.raises(IntegrityError):
        _execute(config, "INSERT INTO order_events (order_id, kind, at) VALUES ('none', 'paid', '2026-11-24')")
    config.attributes["engine"].dispose()


def _execute(config: Config, statement: str) -> None:
    with config.attributes["engine"].begin() as connection:
        connection.execute(text(statement))


def _health(url: str) -> tuple[int, str]:
    app = FastAPI()
    app.include_router(health.router)
    with use_database(url), TestClient(app) as client:
        answer = client.get("/health")
    return answer.status_code, answer.text


def test_a_store_before_its_migrations_is_not_ready(empty_url: str, config: Config) -> None:
    status, body = _health(empty_url)
    assert status == 503
    assert "migration" in body
    command.upgrade(config, "head")
    assert _health(empty_url)[0] == 200
    with config.attributes["engine"].begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    status, body = _health(empty_url)
    assert (status, "0000" in body) == (503, True)


def test_a_store_without_its_database_is_not_ready() -> None:
    status, body = _health("postgresql://nobody:secret@127.0.0.1:1/none")
    assert status == 503
    assert "secret" not in body


# --- data before migration 0004, which names the provider

_OLD_ROWS = [
    line.rstrip(";")
    for line in (ROOT / "tests/integration/data/schema_0003.sql").read_text(encoding="utf-8").splitlines()
    if line.startswith("INSERT")
]
_VALUES = {"now": "2026-11-24 12:00:00", "body": b'{"a": 1}\x00\xff'}
_CHANGED_TABLES = ("orders", "payment_attempts", "payments", "webhook_deliveries")


def _contents(config: Config) -> dict[str, list[dict[str, object]]]:
    with config.attributes["engine"].connect() as connection:
        return {
            table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY id")).mappings()]
            for table in _CHANGED_TABLES
        }


@pytest.fixture
def old_data(config: Config) -> dict[str, list[dict[str, object]]]:
    """Return the data of the schema before, as they stand in it."""
    command.upgrade(config, "0003")
    with config.attributes["engine"].begin() as connection:
        for statement in _OLD_ROWS:
            connection.execute(text(statement), _VALUES)
    return _contents(config)


def test_the_data_before_0004_are_xsollas_and_nothing_is_lost(
    config: Config, old_data: dict[str, list[dict[str, object]]]
) -> None:
    command.upgrade(config, "0004")
    new = _contents(config)
    for table in _CHANGED_TABLES:
        expected = [dict(row) for row in old_data[table]]
        for row in expected:
            if table != "orders":
                row["provider"] = "xsolla"
            if table == "webhook_deliveries":
                row["event_number"] = 0
        assert new[table] == expected


def test_the_release_before_0004_gets_its_data_back(
    config: Config, old_data: dict[str, list[dict[str, object]]]
) -> None:
    command.upgrade(config, "head")
    command.downgrade(config, "0003")
    assert _contents(config) == old_data


@pytest.mark.parametrize("table", ["payment_attempts", "payments", "webhook_deliveries"])
def test_payments_of_another_provider_are_not_taken_for_xsollas(
    config: Config, old_data: dict[str, list[dict[str, object]]], table: str
) -> None:
    assert old_data
    command.upgrade(config, "0004")
    with config.attributes["engine"].begin() as connection:
        connection.execute(text(f"UPDATE {table} SET provider = 'acme' WHERE id = 1"))
    before = _contents(config)
    with pytest.raises(RuntimeError, match="another provider"):
        command.downgrade(config, "0003")
    assert _contents(config) == before


def test_the_release_before_0004_can_still_insert_during_a_deployment(config: Config) -> None:
    command.upgrade(config, "0003")
    command.upgrade(config, "0004")
    with config.attributes["engine"].begin() as connection:
        for insert in _OLD_ROWS:
            connection.execute(text(insert), _VALUES)
        for table in ("payment_attempts", "payments", "webhook_deliveries"):
            assert connection.execute(text(f"SELECT DISTINCT provider FROM {table}")).scalars().all() == ["xsolla"]


def test_of_names_that_look_alike_the_oldest_one_is_kept(config: Config) -> None:
    command.upgrade(config, "0007")
    for user_id, name, day, closed in [
        ("a", "pa1", 3, "NULL"),
        ("b", "pal", 1, "NULL"),
        ("c", "PAI", 2, "NULL"),
        ("d", "other", 2, "NULL"),
        ("e", "0ther", 1, "'2026-01-02'"),
    ]:
        _execute(
            config,
            "INSERT INTO users (id, username, username_key, password, created_at, closed_at) "
            f"VALUES ('{user_id}', '{name}', '{user_id}', '', '2026-01-0{day} 00:00:00', {closed})",
        )
    command.upgrade(config, "0008")
    with config.attributes["engine"].connect() as connection:
        kept = connection.execute(text("SELECT id, username_skeleton FROM users ORDER BY id"))
        assert dict(map(tuple, kept)) == {"a": None, "b": "pal", "c": None, "d": "other", "e": None}
