"""Refusals: expected ways in which an operation says no. Each type has a sentence, a code and an HTTP status.

`web/http/problems.py` turns them into RFC 9457 problem documents; a page shows `str(refusal)`. Whatever is not a
`Refusal` is a bug.
"""

from collections.abc import Mapping
from typing import ClassVar

from store_app.languages import gettext as _
from store_app.languages import marked, ngettext


class Refusal(Exception):
    """Base of all refusals: a sentence for people, a code and an HTTP status for programs.

    Args:
        sentence: what people read, in their language; the class has it where it is always the same.
        headers: HTTP headers of the answer.
        members: members of the problem document besides the usual ones (RFC 9457, 3.2).
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    sentence: ClassVar[str] = ""

    def __init__(self, sentence: str = "", headers: Mapping[str, str] | None = None, **members: str) -> None:
        super().__init__(sentence or (_(self.sentence) if self.sentence else ""))
        # HTTP requires it with every status 401 (RFC 9110, 15.5.2).
        credentials_wanted = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        self.headers = {**credentials_wanted, **(headers or {})}
        self.members = members


class NotSignedIn(Refusal):
    """The caller has no valid session."""

    status = 401
    code = "not-signed-in"
    sentence = marked("Sign in first.")


class NotYours(Refusal):
    """The caller asked for what belongs to another user."""

    status = 403
    code = "not-yours"
    sentence = marked("That belongs to another account.")


class NotFound(Refusal):
    """What was asked for does not exist, or the caller may not see it."""

    status = 404
    code = "not-found"
    sentence = marked("There is nothing at this address.")


class Conflict(Refusal):
    """The request is valid, but the current state does not allow it."""

    status = 409
    code = "conflict"


class Invalid(Refusal):
    """The request is not valid; `field` names the wrong part."""

    status = 422
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)
        self.field = field


class TooManyTries(Refusal):
    """The caller reached a rate limit; `retry_after` is in seconds."""

    status = 429
    code = "too-many-tries"

    def __init__(self, retry_after: int) -> None:
        sentence = ngettext(
            "Too many tries. Try again in {number} minute.",
            "Too many tries. Try again in {number} minutes.",
            max(1, round(retry_after / 60)),
        )
        super().__init__(sentence, {"Retry-After": str(retry_after)})


class Busy(Refusal):
    """More of such work waits than can be done in about a second."""

    status = 503
    code = "busy"
    sentence = marked("The store is very busy. Try again in a few seconds.")

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "2"})


class WrongPassword(Refusal):
    """The name is unknown or the password is wrong; the caller is not told which."""

    status = 401
    code = "wrong-password"
    sentence = marked("The user name or password is not right.")


class NameTaken(Conflict):
    """Another account has this user name, in any letter case, or one that looks like it."""

    code = "name-taken"
    sentence = marked("That user name is taken, or looks like one that is. Choose another.")


class AlreadyOwned(Conflict):
    """The user already owns an item that can be owned only once."""

    code = "already-owned"

    def __init__(self, name: str) -> None:
        super().__init__(_("{name} is in your library already.", name=name))


class InOpenOrder(Conflict):
    """An item that can be owned only once is in another open order of the user."""

    code = "in-open-order"

    def __init__(self, name: str, order_id: str) -> None:
        sentence = _(
            "{name} is part of an order you have not paid yet. Pay or cancel that order first.", name=name
        )
        super().__init__(sentence, order_id=order_id)
        self.order_id = order_id


class TooManyOpenOrders(Conflict):
    """The user has as many unpaid orders as a user may have."""

    code = "too-many-open-orders"

    def __init__(self, most: int) -> None:
        super().__init__(_("You have {number} unpaid orders. Pay or cancel one of them first.", number=most))


class OrderClosed(Conflict):
    """The order can no longer be canceled or paid."""

    code = "order-closed"
    sentence = marked("This order is closed and can no longer be changed.")


class OrderNotPayable(Conflict):
    """The order is open, but a payment of it would not be right."""

    code = "order-not-payable"


class ProviderPriceDiffers(Conflict):
    """The payment provider would charge another price than the store."""

    code = "price-differs"
    sentence = marked(
        "The payment provider would charge another price than this store. You were not charged. "
        "Try again in a few minutes."
    )


class ProviderUnavailable(Refusal):
    """The payment provider does not answer; the request can be repeated later."""

    status = 503
    code = "provider-unavailable"
    sentence = marked("The payment provider does not answer. You were not charged. Try again in a minute.")


class ProviderRefused(Refusal):
    """The payment provider refused the store's request: a setting or the catalogue is wrong."""

    status = 503
    code = "provider-refused"
    sentence = marked("The payment provider refused this order. You were not charged. Please contact the store.")
