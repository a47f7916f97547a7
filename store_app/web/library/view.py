"""View models of purchases, and the pure functions that make them."""

from dataclasses import dataclass

from store_app import routes
from store_app.languages import gettext as _
from store_app.library.queries import PurchaseRow
from store_app.models import PurchaseStatus
from store_app.web.catalogue.view import ItemLink, item_link
from store_app.web.orders.view import moment
from store_app.web.ui.words import words_of


@dataclass
class PurchaseView(ItemLink):
    """A row of the library."""

    key: str = ""
    quantity: int = 1
    bought: str = ""
    order_number: str = ""
    order_href: str = ""
    status: str = ""
    tone: str = ""
    is_gone: bool = False


def purchase_view(row: PurchaseRow) -> PurchaseView:
    """Return a purchase as a row of the library."""
    status, tone = _status(row)
    return PurchaseView(
        **item_link(row.item),
        key=str(row.id),
        quantity=row.quantity,
        bought=moment(row.timestamp),
        order_number=row.order_number,
        order_href=routes.order(row.order_id),
        status=status,
        tone=tone,
        is_gone=row.status == PurchaseStatus.REFUNDED,
    )


def _status(row: PurchaseRow) -> tuple[str, str]:
    """Return the status of a purchase in words, and their tone."""
    match row.status:
        case PurchaseStatus.GRANTED:
            return _("Ready"), "good"
        case PurchaseStatus.HELD:
            return _("Owned already, being checked"), "wait"
    words = words_of(row.order_status)
    return words.chip, words.tone
