"""The tables, one file for each aggregate. Importing this package registers all of them."""

from sqlmodel import SQLModel

from store_app.models.account import User, UserSession
from store_app.models.attention import AttentionFlag
from store_app.models.base import utc_now
from store_app.models.cart import CartLine
from store_app.models.item import ITEM_COLUMNS, Item, ItemKind, ItemRow, ItemStatus
from store_app.models.order import (
    OPEN,
    UNPAID,
    AttemptKind,
    AttemptState,
    IdempotencyKey,
    Order,
    OrderEvent,
    OrderStatus,
    PaymentAttempt,
    external_id,
)
from store_app.models.outbox import OutboxMessage
from store_app.models.payment import Payment, PaymentKind
from store_app.models.purchase import PendingPurchase, Purchase, PurchaseStatus
from store_app.models.webhook_delivery import Verdict, WebhookDelivery

metadata = SQLModel.metadata
