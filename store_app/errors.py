"""Refusals: expected ways in which an operation says no, each a type with its facts and a sentence.

`web/http/problems.py` turns them into RFC 9457 problem documents; a page shows `str(refusal)`. Whatever is not a
`Refusal` is a bug.
"""

from collections.abc import Mapping
from typing import ClassVar


class Refusal(Exception):
    """Base of all refusals: a sentence for people, a code and an HTTP status for programs.

    Args:
        sentence: what people read; the class has it where it is always the same.
        headers: HTTP headers of the answer.
        members: members of the problem document besides the usual ones (RFC 9457, 3.2).
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    sentence: ClassVar[str] = ""

    def __init__(self, sentence: str = "", headers: Mapping[str, str] | None = None, **members: str) -> None:
        super().__init__(sentence or self.sentence)
        # HTTP requires it with every status 401 (RFC 9110, 15.5.2).
        credentials_wanted = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        self.headers = {**credentials_wanted, **(headers or {})}
        self.members = members


class NotSignedIn(Refusal):
    """The caller has no valid session."""

    status = 401
    code = "not-signed-in"
    sentence = "Sign in first."


class NotYours(Refusal):
    """The caller asked for what belongs to another user."""

    status = 403
    code = "not-yours"
    sentence = "That belongs to another account."


class NotFound(Refusal):
    """There is no such thing, or none that this caller may see."""

    status = 404
    code = "not-found"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")


class Conflict(Refusal):
    """The request is fine but the present state does not allow it."""

    status = 409
    code = "conflict"


class Invalid(Refusal):
    """The request itself is wrong; `field` names the part."""

    status = 422
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)
        self.field = field


class TooManyTries(Refusal):
    """A limit was met; `retry_after` is in seconds."""

    status = 429
    code = "too-many-tries"

    def __init__(self, retry_after: int) -> None:
        minutes = max(1, round(retry_after / 60))
        sentence = f"Too many tries. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        super().__init__(sentence, {"Retry-After": str(retry_after)})


class WrongPassword(Refusal):
    """Unknown name or wrong password: the caller is not told which."""

    status = 401
    code = "wrong-password"
    sentence = "The user name or password is not right."


class NameTaken(Conflict):
    """Another account has this user name (in any letter case)."""

    code = "name-taken"
    sentence = "That user name is taken. Choose another."


class AlreadyOwned(Conflict):
    """A thing that is owned once is owned already."""

    code = "already-owned"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is in your library already.")


class InOpenOrder(Conflict):
    """A thing that is owned once is part of another order not yet paid."""

    code = "in-open-order"

    def __init__(self, name: str, order_id: str) -> None:
        sentence = f"{name} is part of an order you have not paid yet. Pay or cancel that order first."
        super().__init__(sentence, order_id=order_id)
        self.order_id = order_id


class OrderClosed(Conflict):
    """The order can no longer be canceled or paid."""

    code = "order-closed"

    def __init__(self, status: str) -> None:
        super().__init__(f"This order is {status.replace('_', ' ')}; that cannot be changed any more.")


class ProviderUnavailable(Refusal):
    """The payment provider cannot be reached; nothing is lost, a retry is fine."""

    status = 503
    code = "provider-unavailable"
    sentence = "The payment service does not answer. You were not charged. Try again in a minute."


class ProviderRefused(Refusal):
    """The payment provider refused our request: a setting or the catalogue is wrong."""

    status = 503
    code = "provider-refused"
    sentence = "The payment service refused this order. You were not charged. We have been told."


class NoCatalogue(Conflict):
    """The payment provider has no catalogue of its own."""

    code = "no-catalogue"

    def __init__(self, provider: str) -> None:
        super().__init__(f"{provider} has no catalogue: items need not be mirrored.")
