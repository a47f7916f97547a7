"""A store for each provider, shared by all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.provider_contract.shops import Shop, acme_shop, xsolla_shop


@pytest.fixture(scope="session", params=["xsolla", "acme"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a store that sells through a provider; every test runs for each provider."""
    if request.param == "xsolla":
        with xsolla_shop() as found:
            yield found
    else:
        with acme_shop(tmp_path_factory.mktemp("acme")) as found:
            yield found
