"""View models of purchases, and the pure functions that make them."""

from dataclasses import dataclass

from store_app import routes
from store_app.library.queries import PurchaseRow
from store_app.models import PurchaseStatus
from store_app.web.catalogue.view import ItemLink, item_link
from store_app.web.orders.view import moment

_STATUS_LABELS = {
    PurchaseStatus.GRANTED: "Ready",
    PurchaseStatus.REFUNDED: "Refunded",
    PurchaseStatus.HELD: "Owned already, being checked",
}


@dataclass
class PurchaseView(ItemLink):
    """A row of the library."""

    key: str = ""
    quantity: int = 1
    bought: str = ""
    order_number: str = ""
    order_href: str = ""
    status: str = ""
    ready: bool = True


def purchase_view(row: PurchaseRow) -> PurchaseView:
    """Return a purchase as a row of the library."""
    return PurchaseView(
        **item_link(row.item),
        key=str(row.id),
        quantity=row.quantity,
        bought=moment(row.timestamp),
        order_number=row.order_number,
        order_href=routes.order(row.order_id),
        status=_STATUS_LABELS[PurchaseStatus(row.status)],
        ready=row.status == PurchaseStatus.GRANTED,
    )
