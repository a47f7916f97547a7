"""A store on PostgreSQL, with servers of its own that a test may stop."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.conftest import migrate
from tests.integration.shop import PROJECT, SECRET, Shop, use_database
from tests.integration.web import Web
from tests.support.network import Network, network_to
from tests.support.postgres import PostgresServer, fresh_database, postgres
from tests.support.store import StoreProcess


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[PostgresServer]:
    """Return a server that does not lose what it has committed when it is killed."""
    with postgres(durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def shop(own_postgres: PostgresServer) -> Iterator[Shop]:
    """Return the store's database, which the test reaches without the network in between."""
    url = fresh_database(own_postgres.url)
    migrate(url)
    with use_database(url) as engine:
        yield Shop(engine, "postgresql")


@pytest.fixture(scope="module")
def network(own_postgres: PostgresServer) -> Iterator[Network]:
    """Return the network between the store and PostgreSQL."""
    with network_to(own_postgres.port) as network:
        yield network


@contextmanager
def _running_store(database_url: str) -> Iterator[Web]:
    env = {"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET}
    with StoreProcess(env=env, database_url=database_url, samples=False) as store, Web(store) as web:
        yield web


@pytest.fixture
def web(shop: Shop) -> Iterator[Web]:
    """Return a client of a store that reaches PostgreSQL directly."""
    with _running_store(shop.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as web:
        yield web


@pytest.fixture(scope="module")
def web_behind_network(shop: Shop, network: Network) -> Iterator[Web]:
    """Return a client of a store that reaches PostgreSQL through the network."""
    url = shop.engine.url.set(drivername="postgresql", port=network.port)
    with _running_store(url.render_as_string(hide_password=False)) as web:
        yield web
