"""A store that has grown, with servers of its own that may be taken away."""

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
def postgres_of_our_own() -> Iterator[PostgresServer]:
    """Return a server that keeps what it has committed when it is killed."""
    with postgres(durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def shop(postgres_of_our_own: PostgresServer) -> Iterator[Shop]:
    """Return the store's database, seen from the test, without the network between."""
    url = fresh_database(postgres_of_our_own.url)
    migrate(url)
    with use_database(url) as engine:
        yield Shop(engine, "postgresql")


@pytest.fixture(scope="module")
def network(postgres_of_our_own: PostgresServer) -> Iterator[Network]:
    """Return the network between the store and PostgreSQL."""
    with network_to(postgres_of_our_own.port) as network:
        yield network


@contextmanager
def _calling(database_url: str) -> Iterator[Web]:
    env = {"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET}
    with StoreProcess(env=env, database_url=database_url, samples=False) as store, Web(store) as web:
        yield web


@pytest.fixture
def web(shop: Shop) -> Iterator[Web]:
    """Return a caller of a store that is next to its PostgreSQL."""
    with _calling(shop.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as web:
        yield web


@pytest.fixture(scope="module")
def distant_web(shop: Shop, network: Network) -> Iterator[Web]:
    """Return a caller of a store that has a network between itself and PostgreSQL."""
    url = shop.engine.url.set(drivername="postgresql", port=network.port)
    with _calling(url.render_as_string(hide_password=False)) as web:
        yield web
