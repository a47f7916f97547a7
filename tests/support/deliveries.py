"""Deliveries of Xsolla handed to the store's code directly, without HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass

from store_app.models import Verdict
from store_app.payments.provider import Outcome, Response
from store_app.payments.registry import get_provider
from webhook import intake
from webhook.inbox import Delivery


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a delivery, and how the provider is answered."""

    outcome: Outcome
    response: Response

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict

    @property
    def reason(self) -> str:
        return self.outcome.reason

    @property
    def order_id(self) -> str | None:
        return self.outcome.order_id

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def code(self) -> str:
        return str(self.response.body["error"]["code"]) if self.response.status >= 400 else ""


def delivery(body: bytes, signature: bytes | None, headers: Mapping[str, str] | None = None) -> Delivery:
    """Return a delivery with this Authorization header."""
    signed = {} if signature is None else {"authorization": signature.decode("latin-1")}
    return Delivery.of(get_provider("xsolla"), body, {**(headers or {}), **signed})


def receive(body: bytes, signature: bytes | None, headers: Mapping[str, str] | None = None) -> Answer:
    """Let the store receive a delivery."""
    outcome = intake.receive_all([delivery(body, signature, headers)])[0]
    return Answer(outcome, get_provider("xsolla").respond(outcome))
