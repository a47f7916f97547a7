"""The parts of one simulator, wired together, and how routes get at them."""

from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, Request

from simulator.catalogue import Catalogue, Shelf
from simulator.delivery.notifications import Project
from simulator.delivery.sender import Courier
from simulator.payments import Payments
from simulator.records import Clock
from simulator.repository import Books
from simulator.settings import Settings


@dataclass(frozen=True, slots=True)
class Simulator:
    """Everything that routes need."""

    settings: Settings
    client: httpx.AsyncClient
    books: Books
    shelf: Shelf
    catalogue: Catalogue
    courier: Courier
    payments: Payments

    async def close(self) -> None:
        """Stop deliveries and connections."""
        await self.courier.close()
        await self.client.aclose()


def assemble(settings: Settings, clock: Clock) -> Simulator:
    """Wire the parts for one set of settings."""
    # Not through a proxy of the environment: the store is on this machine or beside it.
    client = httpx.AsyncClient(trust_env=False, timeout=10)
    books, shelf = Books(clock), Shelf()
    webhook_url = f"{settings.store_url}/api/webhooks/payment"
    courier = Courier(client, webhook_url, settings.signing_secret, settings.simulator_speed, clock)
    project = Project(settings.xsolla_project_id, settings.xsolla_merchant_id)
    return Simulator(
        settings=settings,
        client=client,
        books=books,
        shelf=shelf,
        catalogue=Catalogue(client, settings.store_url, shelf, clock),
        courier=courier,
        payments=Payments(project, settings.simulator_mode, books, courier),
    )


def _of_request(request: Request) -> Simulator:
    found: Simulator = request.app.state.simulator
    return found


TheSimulator = Annotated[Simulator, Depends(_of_request)]
