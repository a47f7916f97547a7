"""From a commit to every listener of that user, in this process and, with Redis, in all others."""

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache

import redis.asyncio as redis
from redis.exceptions import RedisError

from store_app.accounts.service import SESSIONS_ENDED
from store_app.db import outbox
from store_app.db.outbox import Message
from store_app.db.threads import in_database_thread
from store_app.failpoints import failpoint
from store_app.live.hub import Listener, hub
from store_app.settings import get_settings

logger = logging.getLogger(__name__)

# A stream in Redis, and how much it keeps. With pub/sub, who connects again would have missed what was said
# meanwhile.
STREAM = "digital-game-store:live"
_KEPT = 10_000
# Well within a message's lease, or it would be sent twice.
TIDY_EVERY = 1.0
RECONNECT_AFTER_SECONDS = 1.0
# How long Redis may take to answer: the messages behind wait for it.
REDIS_TIMEOUT_SECONDS = 2.0
# Redis says at least that there is nothing new so often; else the connection has died silently.
BLOCK_SECONDS = 4.0
# A tab's state is in Redis too, and Reflex waits for it for ever. Others wait for a slow listener only so long;
# it is given up much later, as a lock that Reflex was about to take would stay behind.
SLOW_LISTENER_TIMEOUT_SECONDS = 1.0
LISTENER_TIMEOUT_SECONDS = 30.0
_sending: set[asyncio.Task[None]] = set()


class Bus:
    """Sends messages on, and listens to what other processes send."""

    def __init__(self, redis_url: str) -> None:
        """Use Redis when there is a URL, and only this process otherwise."""
        self._me = secrets.token_hex(8)
        self._redis_url = redis_url
        self._redis = redis.from_url(redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS) if redis_url else None
        self._sent: list[int] = []
        self._committed: asyncio.Queue[Sequence[Message]] = asyncio.Queue()

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()

        def take(messages: Sequence[Message]) -> None:
            loop.call_soon_threadsafe(self._take, messages)

        stop = outbox.on_commit(take)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_committed())
                tasks.create_task(self._tidy_outbox())
                if self._redis:
                    tasks.create_task(self._listen())
        finally:
            stop()
            if self._redis:
                await self._redis.aclose()

    def _take(self, messages: Sequence[Message]) -> None:
        """Queue messages of a transaction that was just committed in this process."""
        for message in messages:
            # Here already, as sending may have to wait for Redis.
            _close_ended_sessions(message)
        self._committed.put_nowait(messages)

    async def _send_committed(self) -> None:
        while True:
            batch = [*await self._committed.get()]
            while not self._committed.empty():
                batch += self._committed.get_nowait()
            await self._send(batch)

    async def _tidy_outbox(self) -> None:
        """Forget what was sent, many at once, and send what others left over."""
        while True:
            await asyncio.sleep(TIDY_EVERY)
            try:
                sent, self._sent = self._sent, []
                if sent:
                    await in_database_thread(outbox.done, sent)
                if messages := await in_database_thread(outbox.claim):
                    await self._send(messages)
            except Exception:
                logger.exception("could not tidy the outbox; trying again")

    async def _send(self, messages: Sequence[Message]) -> None:
        waiting = deque(messages)
        failpoint("outbox: before sending")
        try:
            while waiting:
                await self._publish_and_notify(waiting[0])
                self._sent.append(waiting.popleft().id)
            failpoint("outbox: sent")
        except RedisError as error:
            logger.warning("Redis does not answer; messages stay in the outbox: %s", error)
            await self._note_failure(waiting, error)
        except Exception as error:
            logger.exception("could not send messages; they stay in the outbox")
            await self._note_failure(waiting, error)

    async def _publish_and_notify(self, message: Message) -> None:
        # Here last: what Redis does not take is sent again and again, and would be heard here each time.
        await self._publish(message)
        await notify(message)

    async def _note_failure(self, messages: Iterable[Message], error: Exception) -> None:
        ids = [message.id for message in messages]
        try:
            await in_database_thread(outbox.failed, ids, f"{type(error).__name__}: {error}")
        except Exception:
            logger.exception("could not note the failure; the lease of the messages ends by itself")

    async def _publish(self, message: Message) -> None:
        if self._redis:
            entry = json.dumps({"from": self._me, "message": asdict(message)})
            await self._redis.xadd(STREAM, {"news": entry}, maxlen=_KEPT, approximate=True)

    async def _listen(self) -> None:
        last = ""
        timeout = BLOCK_SECONDS + REDIS_TIMEOUT_SECONDS
        async with redis.from_url(self._redis_url, socket_timeout=timeout) as connection:
            while True:
                try:
                    last = last or await _now(connection)
                    for key, entry in await _entries_after(last, connection):
                        await self._receive(entry)
                        last = key
                except RedisError as error:
                    logger.warning("lost Redis, connecting again: %s", error)
                    await asyncio.sleep(RECONNECT_AFTER_SECONDS)

    async def _receive(self, entry: dict[bytes, bytes]) -> None:
        try:
            news = json.loads(entry[b"news"])
            if news["from"] != self._me:
                await notify(Message(**news["message"]))
        except Exception:
            # A worker of another release may say what this one does not understand; the next is heard again.
            logger.exception("could not follow what another worker said")


async def _now(connection: redis.Redis) -> str:
    seconds, microseconds = await connection.time()
    return f"{seconds * 1000 + microseconds // 1000}-0"


async def _entries_after(last: str, connection: redis.Redis) -> list[tuple[str, dict[bytes, bytes]]]:
    """Wait for what was said after `last`; nothing, when it stayed quiet."""
    answer = await connection.xread({STREAM: last}, block=int(BLOCK_SECONDS * 1000))
    return [(key.decode(), entry) for _stream, entries in answer for key, entry in entries]


async def notify(message: Message) -> None:
    """Send a message to the user's listeners in this process; close those whose session it says has ended."""
    if _close_ended_sessions(message):
        return
    tasks = {asyncio.create_task(_send_to(listener, message)) for listener in hub.of_user(message.user_id)}
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
        # One broken connection must not keep the others from hearing.
        logger.exception("could not tell a listener; it reads the database when it comes back")


@lru_cache
def get_bus() -> Bus:
    """Return the bus of this process."""
    return Bus(get_settings().redis_url)
