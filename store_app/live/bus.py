"""Sends committed messages to the listeners of their users, in this process and, through Redis, in all others."""

import asyncio
import json
import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache

import redis.asyncio as redis
from redis.exceptions import RedisError

from store_app.accounts.service import SESSIONS_ENDED
from store_app.db import outbox, outbox_queue
from store_app.db.outbox import EVERYBODY, Message
from store_app.db.threads import in_database_thread
from store_app.failpoints import failpoint
from store_app.live.hub import Listener, hub
from store_app.logs import note_security_event
from store_app.settings import get_settings

logger = logging.getLogger(__name__)

# A Redis stream. With pub/sub, a process that reconnects would have missed what was published meanwhile.
# Processes of different releases read the same stream: its name and field must not change.
STREAM = "digital-game-store:live"
_FIELD = "news"
_STREAM_MAXLEN = 10_000
# Well below the lease of a message: a sent message that is not deleted in time is sent again.
OUTBOX_INTERVAL_SECONDS = 1.0
RECONNECT_AFTER_SECONDS = 1.0
# The following messages wait while Redis does not answer.
REDIS_TIMEOUT_SECONDS = 2.0
# After so many failures that are not Redis's a message is given up: its tabs read the database when they reload.
_MAX_ATTEMPTS = 10
# How long Redis waits for a new entry before it answers that there is none. A connection that stays silent for
# longer is dead.
BLOCK_SECONDS = 4.0
# To refresh a tab, Reflex reads and locks its state, which is in Redis too, without a timeout. Other listeners
# wait at most `SLOW_LISTENER_TIMEOUT_SECONDS` for a slow one. It is canceled only after
# `LISTENER_TIMEOUT_SECONDS`, because a canceled task can leave behind the lock that Reflex was about to take.
SLOW_LISTENER_TIMEOUT_SECONDS = 1.0
LISTENER_TIMEOUT_SECONDS = 30.0
_sending: set[asyncio.Task[None]] = set()


class Bus:
    """Publishes the messages of this process, and receives those of the others."""

    def __init__(self, redis_url: str) -> None:
        """Use Redis; with an empty URL there is only this process."""
        self._process_id = secrets.token_hex(8)
        self._redis_url = redis_url
        self._redis = redis.from_url(redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS) if redis_url else None
        self._sent: list[int] = []
        self._committed: asyncio.Queue[Sequence[Message]] = asyncio.Queue()

    async def run(self) -> None:
        """Send and receive messages until canceled."""
        loop = asyncio.get_running_loop()

        def on_commit(messages: Sequence[Message]) -> None:
            loop.call_soon_threadsafe(self._enqueue, messages)

        unsubscribe = outbox.on_commit(on_commit)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_committed())
                tasks.create_task(self._process_outbox())
                if self._redis:
                    tasks.create_task(self._receive())
        finally:
            unsubscribe()
            if self._redis:
                await self._redis.aclose()

    def _enqueue(self, messages: Sequence[Message]) -> None:
        """Queue the messages of a transaction that this process has just committed."""
        for message in messages:
            # Already here, because sending can be delayed by Redis.
            if _close_ended_sessions(message):
                what = ("%d sessions of user %s ended", len(message.payload["sessions"]), message.user_id)
                note_security_event("session_ended", *what, level=logging.INFO)
        self._committed.put_nowait(messages)

    async def _send_committed(self) -> None:
        while True:
            batch = [*await self._committed.get()]
            while not self._committed.empty():
                batch += self._committed.get_nowait()
            await self._send(batch)

    async def _process_outbox(self) -> None:
        """Delete sent messages, many at a time, and send those that other processes could not send."""
        while True:
            await asyncio.sleep(OUTBOX_INTERVAL_SECONDS)
            try:
                sent, self._sent = self._sent, []
                if sent:
                    await in_database_thread(outbox_queue.delete_sent, sent)
                if messages := await in_database_thread(outbox_queue.lease_overdue):
                    await self._send(messages)
            except Exception:
                logger.exception("could not process the outbox; trying again")

    async def _send(self, messages: Sequence[Message]) -> None:
        failpoint("outbox: before sending")
        for number, message in enumerate(messages):
            try:
                # Redis first: else each retry would notify the listeners of this process again.
                await self._publish(message)
                await notify(message)
                self._sent.append(message.id)
            except RedisError as error:
                logger.warning("could not send messages; they stay in the outbox: %s", error)
                await self._note_failure(messages[number:], error)
                return
            except Exception as error:
                # A bug that one message meets must not delay the others.
                logger.exception("could not send message %s", message.id)
                if message.attempts < _MAX_ATTEMPTS:
                    await self._note_failure([message], error)
                else:
                    logger.error("giving up message %s", message.id)  # noqa: TRY400 - logged above
                    self._sent.append(message.id)
        failpoint("outbox: sent")

    async def _note_failure(self, messages: Iterable[Message], error: Exception) -> None:
        ids = [message.id for message in messages]
        try:
            await in_database_thread(outbox_queue.note_failure, ids, f"{type(error).__name__}: {error}")
        except Exception:
            logger.exception("could not note the failure; the messages are sent again when their lease ends")

    async def _publish(self, message: Message) -> None:
        if self._redis:
            entry = json.dumps({"from": self._process_id, "message": asdict(message)})
            await self._redis.xadd(STREAM, {_FIELD: entry}, maxlen=_STREAM_MAXLEN, approximate=True)

    async def _receive(self) -> None:
        last_id = ""
        timeout = BLOCK_SECONDS + REDIS_TIMEOUT_SECONDS
        async with redis.from_url(self._redis_url, socket_timeout=timeout) as connection:
            while True:
                try:
                    last_id = last_id or await _current_id(connection)
                    for entry_id, entry in await _entries_after(last_id, connection):
                        await self._handle(entry)
                        last_id = entry_id
                except RedisError as error:
                    logger.warning("lost the connection to Redis, reconnecting: %s", error)
                    await asyncio.sleep(RECONNECT_AFTER_SECONDS)

    async def _handle(self, entry: dict[bytes, bytes]) -> None:
        try:
            content = json.loads(entry[_FIELD.encode()])
            if content["from"] != self._process_id:
                await notify(Message(**content["message"]))
        except Exception:
            # A process of another release can publish what this one does not understand.
            logger.exception("could not handle an entry of another process; continuing with the next")


async def _current_id(connection: redis.Redis) -> str:
    """Return the id that an entry of this moment would have."""
    seconds, microseconds = await connection.time()
    return f"{seconds * 1000 + microseconds // 1000}-0"


async def _entries_after(last_id: str, connection: redis.Redis) -> list[tuple[str, dict[bytes, bytes]]]:
    """Wait for entries after `last_id`; return an empty list if none came within `BLOCK_SECONDS`."""
    response = await connection.xread({STREAM: last_id}, block=int(BLOCK_SECONDS * 1000))
    return [(entry_id.decode(), entry) for _stream, entries in response for entry_id, entry in entries]


async def notify(message: Message) -> None:
    """Send a message to its listeners in this process; one about ended sessions closes theirs instead."""
    if _close_ended_sessions(message):
        return
    listeners = hub.all() if message.user_id == EVERYBODY else hub.of_user(message.user_id)
    tasks = {asyncio.create_task(_send_to(listener, message)) for listener in listeners}
    if tasks:
        _sending.update(tasks)
        for task in tasks:
            task.add_done_callback(_sending.discard)
        await asyncio.wait(tasks, timeout=SLOW_LISTENER_TIMEOUT_SECONDS)


def _close_ended_sessions(message: Message) -> bool:
    """Close the connections of ended sessions, if the message is about them; return whether it is."""
    if message.payload.get("event") != SESSIONS_ENDED:
        return False
    hub.end_sessions(message.payload["sessions"])
    return True


async def _send_to(listener: Listener, message: Message) -> None:
    try:
        async with asyncio.timeout(LISTENER_TIMEOUT_SECONDS):
            await listener.send(message)
    except Exception:
        # One broken connection must not affect the others.
        logger.exception("could not send to a listener; it reads the database when it reconnects")


@lru_cache
def get_bus() -> Bus:
    """Return the bus of this process."""
    return Bus(get_settings().redis_url)
