"""From a commit to every listener of that user, in this process and, with Redis, in all others."""

import asyncio
import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from store_app import outbox
from store_app.database import in_database_thread
from store_app.failpoints import failpoint
from store_app.live.hub import Listener, hub
from store_app.outbox import Message
from store_app.settings import get_settings

logger = logging.getLogger(__name__)

CHANNEL = "digital-game-store:live"
# Well within a message's lease, or it would be sent twice.
TIDY_EVERY = 1.0
_RECONNECT_AFTER = 1.0


class Bus:
    """Sends messages on, and listens to what other processes send."""

    def __init__(self, redis_url: str) -> None:
        """Use Redis when there is a URL, and only this process otherwise."""
        self._me = secrets.token_hex(8)
        self._redis = redis.from_url(redis_url, socket_timeout=5) if redis_url else None
        self._sent: list[int] = []
        self._committed: asyncio.Queue[Sequence[Message]] = asyncio.Queue()

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()

        def take(messages: Sequence[Message]) -> None:
            loop.call_soon_threadsafe(self._committed.put_nowait, messages)

        stop = outbox.on_commit(take)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_committed())
                tasks.create_task(self._tidy_outbox())
                if self._redis:
                    tasks.create_task(self._listen(self._redis))
        finally:
            stop()
            if self._redis:
                await self._redis.aclose()

    async def end_sessions(self, hashes: Sequence[str]) -> None:
        """Close the open connections of sessions that ended, in every process."""
        await hub.end_sessions(hashes)
        try:
            await self._publish({"ended": list(hashes)})
        except RedisError:
            # Their next event or message finds the session ended anyway.
            logger.warning("could not tell the other workers that a session ended: Redis does not answer")

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
        ids = [message.id for message in messages]
        failpoint("outbox: before sending")
        try:
            for message in messages:
                await self._tell_everybody(message)
            failpoint("outbox: sent")
            self._sent += ids
        except RedisError as error:
            logger.warning("Redis does not answer; messages stay in the outbox: %s", error)
            await self._note_failure(ids, error)
        except Exception as error:
            logger.exception("could not send messages; they stay in the outbox")
            await self._note_failure(ids, error)

    async def _tell_everybody(self, message: Message) -> None:
        if self._redis:
            await asyncio.gather(deliver(message), self._publish({"message": asdict(message)}))
        else:
            await deliver(message)

    async def _note_failure(self, ids: Sequence[int], error: Exception) -> None:
        try:
            await in_database_thread(outbox.failed, ids, f"{type(error).__name__}: {error}")
        except Exception:
            logger.exception("could not note the failure; the lease of the messages ends by itself")

    async def _publish(self, news: dict[str, Any]) -> None:
        if self._redis:
            await self._redis.publish(CHANNEL, json.dumps({"from": self._me, **news}))

    async def _listen(self, connection: redis.Redis) -> None:
        while True:
            try:
                async with connection.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    while True:
                        # The wait also notices a connection that died silently.
                        heard = await channel.get_message(timeout=1.0)
                        if heard:
                            await self._hear(json.loads(heard["data"]))
            except RedisError as error:
                logger.warning("lost Redis, connecting again: %s", error)
                await asyncio.sleep(_RECONNECT_AFTER)

    async def _hear(self, news: dict[str, Any]) -> None:
        if news["from"] == self._me:
            return
        if "ended" in news:
            await hub.end_sessions(news["ended"])
        else:
            await deliver(Message(**news["message"]))


async def deliver(message: Message) -> None:
    """Let the user's listeners in this process hear a message."""
    if listeners := hub.of_user(message.user_id):
        await asyncio.gather(*(_let_hear(listener, message) for listener in listeners))


async def _let_hear(listener: Listener, message: Message) -> None:
    try:
        await listener.hear(message)
    except Exception:
        # One broken connection must not keep the others from hearing.
        logger.exception("could not tell a listener; it reads the database when it comes back")


@lru_cache
def get_bus() -> Bus:
    """Return the bus of this process."""
    return Bus(get_settings().redis_url)
