"""Delivering notifications: sign them, send them in order, and retry them on the provider's schedule."""

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

import aiohttp

from simulator.records import Clock, Delivery, Notification, NotificationStatus, Order

_log = logging.getLogger(__name__)

_SIGNATURE_REFUSED = (
    "The store refused the signature: XSOLLA_WEBHOOK_SECRET differs between simulator and store. "
    "Set both to the same value and restart."
)
_MAX_RESPONSE_CHARS = 500
_RESPONSE_TIMEOUT = timedelta(seconds=10)
# Long enough for the request to arrive, too short for most responses.
_ABORT_AFTER = timedelta(milliseconds=20)

_ACKNOWLEDGING_STATUSES = frozenset({200, 201, 204})
_REFUSING_STATUSES = frozenset({400, 401, 402, 403, 404, 409, 415, 422})

# The delays before the retries, in minutes.
_ORDER_DELAYS = (*[5] * 2, *[15] * 7, *[60] * 10)
# The provider documents only "growing, at most 12, within 48 hours". The single delays are our choice.
_PAYMENT_DELAYS = (1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 720, 960)


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """How a sequence of notifications is sent; the defaults are how the provider sends one."""

    # How many times faster than the schedule; None means the speed of the settings.
    speed: float | None = None
    # The delay before the first notification, unless the order is released earlier.
    hold_seconds: float = 0
    continue_after_failure: bool = False
    # Send equal notifications at the same time if they follow each other.
    parallel_duplicates: bool = False


_DEFAULT_SEQUENCE = SequenceOptions()


class NotificationSender:
    """Sends notifications to the store's webhook; sequences run in the background until they end or it closes."""

    def __init__(self, webhook_url: str, secret: str, speed: float, clock: Clock) -> None:
        # Opened at the first delivery, because it belongs to the event loop that runs then.
        self._session: aiohttp.ClientSession | None = None
        self._webhook_url = webhook_url
        self._secret = secret
        self._speed = speed
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, order: Order, notifications: Sequence[Notification], options: SequenceOptions = _DEFAULT_SEQUENCE
    ) -> None:
        """Start a sequence: each notification is sent after the success of the one before."""
        if options.hold_seconds > 0:
            # Not in the task: it may have to wait for the delivery lock, and a release during that time counts.
            order.released.clear()
        task = asyncio.create_task(self._send_sequence(order, notifications, options))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all sequences and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def deliver(self, notification: Notification, speed: float | None = None) -> None:
        """Try until the store acknowledges or refuses, or the retry schedule ends."""
        status = await self._deliver_once(notification)
        for delay in retry_delays(notification.type):
            if status is not NotificationStatus.WAITING:
                break
            await asyncio.sleep(delay / timedelta(seconds=speed or self._speed))
            status = await self._deliver_once(notification)
        notification.finish(NotificationStatus.GIVEN_UP if status is NotificationStatus.WAITING else status)

    async def _send_sequence(
        self, order: Order, notifications: Sequence[Notification], options: SequenceOptions
    ) -> None:
        async with order.delivery_lock:
            await _wait_for_release(order, options.hold_seconds)
            steps = _steps(notifications, options)
            for position, step in enumerate(steps, 1):
                await asyncio.gather(*(self.deliver(notification, options.speed) for notification in step))
                if not options.continue_after_failure and not all(each.acknowledged for each in step):
                    _block(steps[position:])
                    return

    async def _deliver_once(self, notification: Notification) -> NotificationStatus:
        """Send the notification once and record the response."""
        delivery = await self._send(notification)
        notification.deliveries.append(delivery)
        if _is_signature_refusal(delivery) and not notification.options.invalid_signature:
            result = _SIGNATURE_REFUSED
            level = logging.ERROR
        else:
            result = str(delivery.response_status or delivery.response_text)
            level = logging.INFO
        _log.log(level, "%s of order %s: %s", notification.type, notification.order_id, result)
        if _is_response_lost(notification):
            return NotificationStatus.WAITING
        return status_after(delivery.response_status)

    async def _send(self, notification: Notification) -> Delivery:
        started_at = self._clock()
        is_aborted = len(notification.deliveries) < notification.options.aborted_deliveries
        seconds = (_ABORT_AFTER if is_aborted else _RESPONSE_TIMEOUT).total_seconds()
        try:
            async with asyncio.timeout(seconds):
                status, text = await self._post(notification)
        except TimeoutError:
            return Delivery(started_at, None, f"No response within {seconds:g} seconds")
        except aiohttp.ClientError as error:
            reason = str(error) or type(error).__name__
            return Delivery(started_at, None, f"The store cannot be reached: {reason}")
        return Delivery(started_at, status, text[:_MAX_RESPONSE_CHARS])

    async def _post(self, notification: Notification) -> tuple[int, str]:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        async with self._session.post(
            self._webhook_url,
            data=notification.body,
            headers=self._headers(notification),
            allow_redirects=False,
        ) as response:
            return response.status, await response.text(errors="replace")

    def _headers(self, notification: Notification) -> dict[str, str]:
        secret = secrets.token_hex() if notification.options.invalid_signature else self._secret
        return {"Authorization": sign(notification.body, secret), "Content-Type": "application/json"}


def sign(body: bytes, secret: str) -> str:
    """Return the value of the Authorization header for a body."""
    # The provider chose SHA-1 over the body followed by the secret.
    return f"Signature {hashlib.sha1(body + secret.encode()).hexdigest()}"  # noqa: S324


def retry_delays(notification_type: str) -> list[timedelta]:
    """Return the delays before the retries of a notification that the store neither acknowledged nor refused."""
    if notification_type == "user_validation":
        return []
    is_about_order = notification_type in {"order_paid", "order_canceled"}
    return [timedelta(minutes=each) for each in (_ORDER_DELAYS if is_about_order else _PAYMENT_DELAYS)]


def status_after(response_status: int | None) -> NotificationStatus:
    """Return the status of a notification after a response; it waits for a retry unless the response is final."""
    if response_status in _ACKNOWLEDGING_STATUSES:
        return NotificationStatus.ACKNOWLEDGED
    return NotificationStatus.REFUSED if response_status in _REFUSING_STATUSES else NotificationStatus.WAITING


def describe_response(notification: Notification) -> str:
    """Return a sentence about the last response of the store."""
    last = notification.deliveries[-1]
    if last.response_status is None:
        return last.response_text
    if _is_signature_refusal(last):
        return _SIGNATURE_REFUSED
    code, message = error_of(last)
    return f"The store answered {last.response_status} {code} {message}".rstrip()


def error_of(delivery: Delivery) -> tuple[str, str]:
    """Return code and message of a refusal, both empty if the response has another format."""
    try:
        error = json.loads(delivery.response_text)["error"]
        return str(error["code"]), str(error.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""


def _steps(notifications: Sequence[Notification], options: SequenceOptions) -> list[list[Notification]]:
    if options.parallel_duplicates:
        return [list(equal) for _, equal in groupby(notifications, key=lambda each: each.body)]
    return [[each] for each in notifications]


async def _wait_for_release(order: Order, seconds: float) -> None:
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await order.released.wait()
    except TimeoutError:
        return


def _block(steps: Sequence[Sequence[Notification]]) -> None:
    for notification in (each for step in steps for each in step):
        notification.finish(NotificationStatus.BLOCKED)


def _is_response_lost(notification: Notification) -> bool:
    """Return whether the response to the latest delivery is to be ignored, because the scenario loses it."""
    options = notification.options
    return options.lose_responses or len(notification.deliveries) <= options.aborted_deliveries


def _is_signature_refusal(delivery: Delivery) -> bool:
    return delivery.response_status == 400 and error_of(delivery)[0] == "INVALID_SIGNATURE"
