"""Databases for tests: a migrated template on each kind of server, copied for every test."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2
import pytest
from alembic.config import Config
from psycopg2 import sql

from alembic import command
from store_app.db import outbox
from store_app.db.engine import make_engine
from store_app.db.outbox import Message
from tests.integration.shop import Shop, use_database
from tests.integration.web import Web
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ROOT
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

DIALECTS = ("sqlite", "postgresql")


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["engine"] = make_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    return config


def migrate(url: str) -> None:
    """Bring a database to the newest migration."""
    config = alembic_config(url)
    command.upgrade(config, "head")
    config.attributes["engine"].dispose()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return the address of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """Return the address of a migrated PostgreSQL database, to be copied."""
    url = fresh_database(postgres_url)
    migrate(url)
    return url


def _on_server(server: str, statement: sql.Composed) -> None:
    connection = psycopg2.connect(server)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Return which kind of database the test runs on; every test that asks for a database runs on both."""
    return str(request.param)


@pytest.fixture
def empty_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database without tables."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return fresh_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of a migrated, empty database of the test's own."""
    if dialect == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "store.db")
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_template")
    name = sql.Identifier(f"store_{secrets.token_hex(6)}")
    _on_server(
        server,
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template.rpartition("/")[2])),
    )
    yield f"{server.rpartition('/')[0]}/{name.string}"
    _on_server(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def shop(database_url: str, dialect: str) -> Iterator[Shop]:
    """Return a store on a database of the test's own."""
    with use_database(database_url) as engine:
        yield Shop(engine, dialect)


# --- running stores, shared by all tests of a run: each test creates its own users

# Each test has an address of its own (X-Forwarded-For), so that limits met in one do not affect the others.
_BEHIND_A_PROXY = {"TRUSTED_PROXIES": "127.0.0.1,::1"}


@pytest.fixture(scope="session")
def small_store() -> Iterator[StoreProcess]:
    """Return the default shape: SQLite, one worker."""
    with StoreProcess(simulator=True, env=_BEHIND_A_PROXY) as store:
        yield store


@pytest.fixture(scope="session")
def grown_store(postgres_url: str) -> Iterator[StoreProcess]:
    """Return the grown shape: PostgreSQL, Redis, three workers."""
    with (
        redis_server() as redis,
        StoreProcess(
            simulator=True,
            database_url=fresh_database(postgres_url),
            redis_url=redis.url,
            workers=3,
            env=_BEHIND_A_PROXY,
        ) as store,
    ):
        yield store


@pytest.fixture(params=["small", "grown"])
def store(request: pytest.FixtureRequest) -> StoreProcess:
    """Return a running store; every test that asks for one runs against both shapes."""
    process: StoreProcess = request.getfixturevalue(f"{request.param}_store")
    return process


@pytest.fixture
def web(store: StoreProcess) -> Iterator[Web]:
    """Return a client of the running store."""
    with Web(store) as client:
        yield client
        assert "Traceback (most recent call last)" not in client.log(), client.log()


@pytest.fixture
def sent() -> Iterator[list[Message]]:
    """The messages of the transactions that were committed during the test, in order."""
    messages: list[Message] = []

    def keep(batch: Sequence[Message]) -> None:
        messages.extend(batch)

    stop = outbox.on_commit(keep)
    yield messages
    stop()
