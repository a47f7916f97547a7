"""The reader of an event socket: whatever ends it, the application learns that the connection is over."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from store_app.web.live import event_socket
from store_app.web.live.event_limits import MAX_UNFINISHED_EVENTS, MAX_WAITING_FRAMES, POLICY_VIOLATION
from store_app.web.live.event_socket import BoundedReceiver, EndableConnection
from store_app.web.live.tabs import Tab


async def _no_refresh(*_: Any) -> None:
    pass


async def _received(frames: list[Message | Exception], unfinished: int = 0) -> tuple[Message, bool]:
    """Return what the application receives after the frames were read, and whether the reader failed."""

    async def receive() -> Message:
        frame = frames.pop(0)
        if isinstance(frame, Exception):
            raise frame
        return frame

    connection = EndableConnection(receive, 4001)
    tab = Tab("token", None, "192.0.2.1", connection.disconnect, _no_refresh)
    tab.unfinished = {asyncio.get_running_loop().create_future() for _ in range(unfinished)}  # type: ignore[misc]
    receiver = BoundedReceiver(connection, tab)
    waiting = asyncio.create_task(receiver.receive())
    (failure,) = await asyncio.gather(receiver.run(), return_exceptions=True)
    return await asyncio.wait_for(waiting, 5), failure is not None


PING: Message = {"type": "websocket.receive", "text": "3"}


def test_a_reader_that_fails_ends_the_connection() -> None:
    assert asyncio.run(_received([OSError("lost")])) == ({"type": "websocket.disconnect", "code": 1006}, True)


def test_a_client_that_goes_is_noticed_while_its_events_are_unfinished() -> None:
    gone: Message = {"type": "websocket.disconnect", "code": 1001}
    assert asyncio.run(_received([PING, gone], MAX_UNFINISHED_EVENTS)) == (gone, False)


def test_a_client_that_sends_more_than_may_wait_is_disconnected() -> None:
    """Else the rest stays in the operating system's buffers, and is worked off after the client has gone."""

    async def close_code() -> int:
        frames = MAX_WAITING_FRAMES + 1

        async def receive() -> Message:
            nonlocal frames
            if not frames:
                await asyncio.Event().wait()
            frames -= 1
            # Slow enough for the limit of each second.
            receiver._limiter._level = 0
            return PING

        connection = EndableConnection(receive, 4001)
        receiver = BoundedReceiver(connection, Tab("token", None, "192.0.2.1", connection.disconnect, _no_refresh))
        await asyncio.wait_for(receiver.run(), 5)
        return int((await receiver.receive())["code"])

    assert asyncio.run(close_code()) == POLICY_VIOLATION


def test_no_frame_is_handed_on_while_the_client_does_not_take_the_answers() -> None:
    """They would wait in memory."""

    async def run() -> tuple[bool, Message]:
        taken, frames = asyncio.Event(), [PING]

        async def receive() -> Message:
            if not frames:
                await asyncio.Event().wait()
            return frames.pop()

        async def send(_message: Message) -> None:
            await taken.wait()

        connection = EndableConnection(receive, 4001)
        receiver = BoundedReceiver(connection, Tab("token", None, "192.0.2.1", connection.disconnect, _no_refresh))
        reading = asyncio.create_task(receiver.run())
        sending = asyncio.ensure_future(connection.sender(send)({"type": "websocket.send"}))
        waiting = asyncio.create_task(receiver.receive())
        was_handed_on = bool((await asyncio.wait({waiting}, timeout=0.1))[0])
        taken.set()
        message = await asyncio.wait_for(waiting, 5)
        await sending
        reading.cancel()
        return was_handed_on, message

    assert asyncio.run(run()) == (False, PING)


def test_a_client_that_does_not_take_an_answer_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_socket, "SECONDS_TO_TAKE_A_MESSAGE", 0.01)

    async def run() -> Message:
        async def never(*_arguments: Any) -> Any:
            await asyncio.Event().wait()

        connection = EndableConnection(never, 4001)
        sending = asyncio.ensure_future(connection.sender(never)({"type": "websocket.send"}))
        message = await asyncio.wait_for(connection.receive(), 5)
        sending.cancel()
        return message

    assert asyncio.run(run())["code"] == POLICY_VIOLATION
