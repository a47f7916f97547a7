"""The parts of one simulator, and the dependency that gives them to the routes."""

import ssl
from dataclasses import dataclass
from typing import Annotated

import httpx
from fastapi import Depends, Request

from simulator.catalogue import Catalogue, PriceList
from simulator.delivery.payloads import Project
from simulator.delivery.sender import NotificationSender
from simulator.payments import Payments
from simulator.records import Clock
from simulator.repository import Repository
from simulator.settings import Settings


@dataclass(frozen=True, slots=True)
class Simulator:
    """Everything that the routes need."""

    settings: Settings
    client: httpx.AsyncClient
    repository: Repository
    catalogue: Catalogue
    price_list: PriceList
    sender: NotificationSender
    payments: Payments

    async def close(self) -> None:
        """Cancel all deliveries and close all connections."""
        await self.sender.close()
        await self.client.aclose()


def build_simulator(settings: Settings, clock: Clock) -> Simulator:
    """Create the parts of a simulator and connect them."""
    # Ignore the proxy settings of the environment: the store is on this machine or in the same network.
    # Trusts what the system does, and SSL_CERT_FILE: the store may have a certificate of its own.
    client = httpx.AsyncClient(trust_env=False, timeout=10, verify=ssl.create_default_context())
    repository, catalogue = Repository(clock), Catalogue()
    webhook_url = f"{settings.store_url}/api/webhooks/payment"
    sender = NotificationSender(webhook_url, settings.signing_secret, settings.simulator_speed, clock)
    project = Project(settings.xsolla_project_id, settings.xsolla_merchant_id)
    return Simulator(
        settings=settings,
        client=client,
        repository=repository,
        catalogue=catalogue,
        price_list=PriceList(client, settings.store_url, catalogue, clock),
        sender=sender,
        payments=Payments(project, settings.simulator_mode, repository, sender),
    )


# Asynchronous, because FastAPI runs other dependencies in a thread.
async def _simulator_of(request: Request) -> Simulator:
    simulator: Simulator = request.app.state.simulator
    return simulator


SimulatorDep = Annotated[Simulator, Depends(_simulator_of)]
