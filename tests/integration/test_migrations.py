"""Migrations: up, down and up again on both databases, and no drift between them and the models."""

from collections.abc import Iterator

import pytest
from alembic.config import Config
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, inspect, text

from alembic import command
from store_app.models import metadata
from store_app.web.http import health
from tests.integration.conftest import alembic_config
from tests.integration.shop import use_database

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
