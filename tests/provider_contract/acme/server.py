"""Acme Pay itself, in memory, as an ASGI application configured by ACME_* in the environment.

A user pays or declines at `/pay/<checkout>`; each happening is sent to ACME_WEBHOOK, signed, before the answer.
"""

import os
import secrets
import time
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request
from starlette.responses import HTMLResponse, RedirectResponse

from tests.provider_contract.acme.provider import sign


@dataclass
class Checkout:
    """One payment: what was asked for, and what happened."""

    body: dict[str, Any]
    id: str = field(default_factory=lambda: f"chk_{secrets.token_hex(8)}")
    charge: str = field(default_factory=lambda: f"ch_{secrets.token_hex(8)}")
    happenings: list[dict[str, Any]] = field(default_factory=list)


app = FastAPI()
_checkouts: dict[str, Checkout] = {}


def _authorize(request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {os.environ['ACME_KEY']}":
        raise HTTPException(401, "the key is wrong")


def _find(checkout_id: str) -> Checkout:
    if checkout_id not in _checkouts:
        raise HTTPException(404, "no such checkout")
    return _checkouts[checkout_id]


async def _happens(checkout: Checkout, what: str, minor: int | None = None) -> None:
    price = checkout.body["sum"] | ({} if minor is None else {"minor": minor})
    happening = {
        "happening": f"h_{secrets.token_hex(8)}",
        "what": what,
        "checkout": checkout.id,
        "charge": checkout.charge,
        "reference": checkout.body["reference"],
        "buyer": checkout.body["buyer"],
        "sum": price,
    }
    checkout.happenings.append(happening)
    await _deliver({"happenings": [happening]})


async def _deliver(notification: dict[str, Any]) -> None:
    request = httpx.Request("POST", os.environ["ACME_WEBHOOK"], json=notification)
    signature = sign(request.content, os.environ["ACME_SIGNING_SECRET"], int(time.time()))
    request.headers["X-Acme-Signature"] = signature
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.send(request)
    answer.raise_for_status()


@app.post("/v1/checkouts", status_code=201)
async def open_checkout(request: Request) -> dict[str, str]:
    """Open a checkout."""
    _authorize(request)
    body = await request.json()
    if not body["reference"] or body["sum"]["minor"] <= 0:
        raise HTTPException(422, "nothing to pay")
    checkout = Checkout(body)
    _checkouts[checkout.id] = checkout
    return {"checkout": checkout.id, "link": f"{os.environ['ACME_URL']}/pay/{checkout.id}"}


@app.get("/v1/checkouts/{checkout_id}")
async def read_checkout(checkout_id: str, request: Request) -> dict[str, Any]:
    """Return what happened to a checkout."""
    _authorize(request)
    return {"checkout": checkout_id, "happenings": _find(checkout_id).happenings}


@app.post("/v1/charges/{charge}/reversals", status_code=202)
async def reverse(charge: str, request: Request) -> dict[str, str]:
    """Give a settled charge back, whole or in part."""
    _authorize(request)
    found = [checkout for checkout in _checkouts.values() if checkout.charge == charge]
    if not found or not any(each["what"] == "charge.settled" for each in found[0].happenings):
        raise HTTPException(404, "no such charge")
    amount = (await request.json()).get("amount")
    if amount is None:
        await _happens(found[0], "charge.reversed")
    else:
        await _happens(found[0], "charge.trimmed", int(Decimal(amount) * 100))
    return {"charge": charge}


@app.get("/pay/{checkout_id}")
async def payment_page(checkout_id: str) -> HTMLResponse:
    """Show the payment page."""
    checkout = _find(checkout_id)
    buttons = "".join(
        f'<form method="post" action="/pay/{checkout_id}/{act}"><button>{act.title()}</button></form>'
        for act in ("pay", "decline")
    )
    title = escape(checkout.body["title"])
    return HTMLResponse(
        f'<html lang="en"><title>Acme Pay</title><link rel="icon" href="data:,"><h1>{title}</h1>{buttons}</html>'
    )


@app.post("/pay/{checkout_id}/pay")
async def pay(checkout_id: str) -> RedirectResponse:
    """Settle the charge and lead back to the store."""
    checkout = _find(checkout_id)
    await _happens(checkout, "charge.settled")
    return RedirectResponse(checkout.body["back"], status_code=303)


@app.post("/pay/{checkout_id}/decline")
async def decline(checkout_id: str) -> RedirectResponse:
    """Decline the charge and lead back to the store."""
    checkout = _find(checkout_id)
    await _happens(checkout, "charge.failed")
    return RedirectResponse(checkout.body["back"], status_code=303)
