"""The attacks: each returns what was measured beside what it may be."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import httpx

from benchmarks.deliveries import place_order
from tests.chaos.sieging import raw
from tests.chaos.sieging.meters import (
    Others,
    PeakMemory,
    log_bytes,
    median,
    percentile,
    repeated,
    seconds_until_idle,
    timed,
    until_done,
)
from tests.chaos.sieging.raw import Attackers, source_address
from tests.security.users import PASSWORD
from tests.support.proxy import ProxiedStore
from tests.support.store import StoreProcess


@dataclass(frozen=True)
class Finding:
    """One figure of one attack, and whether it is within its bound."""

    attack: str
    figure: str
    measured: str
    bound: str
    holds: bool


@dataclass
class Siege:
    """A store under attack.

    Args:
        store: with the limits that a deployment has.
        others: who use it meanwhile.
        attackers: the process that attacks.
        share: how much of each attack is made.
        slack: times and ratios may be so many times the bound: 1 on a machine that does nothing else.
        proxy: what is in front of the store, for attacks on both.
    """

    store: StoreProcess
    others: Others
    attackers: Attackers
    share: float = 1.0
    slack: float = 1.0
    proxy: ProxiedStore | None = None

    def part(self, number: int) -> int:
        """Return the share of a number that is to be made."""
        return max(1, round(number * self.share))

    def at_most(self, attack: str, figure: str, measured: float, bound: float, unit: str) -> Finding:
        """Return a finding about a time or a ratio, which depends on the machine."""
        holds = measured <= bound * self.slack
        return Finding(attack, figure, f"{measured:.4g}{unit}", f"{bound:.4g}{unit}", holds)


Attack = Callable[[Siege], Awaitable[list[Finding]]]


def exactly(attack: str, figure: str, measured: object, bound: object) -> Finding:
    """Return a finding about a value that does not depend on the machine."""
    return Finding(attack, figure, str(measured), str(bound), measured == bound)


async def events_and_gone(siege: Siege) -> list[Finding]:
    """30 sockets send 45,000 events and hang up."""
    name, others = "events, then gone", siege.others
    quiet = median(await repeated(others.items, 100))
    sockets, events = 30, siege.part(1_500)
    await siege.attackers.start(raw.flood_events, siege.store.port, sockets, events, 1, 1)
    idle_after = await seconds_until_idle(siege.store)
    after = median(await repeated(others.items, 100))
    return [
        siege.at_most(name, "items afterwards, to quiet", after / quiet, 2, "x"),
        siege.at_most(name, "worker idle after", idle_after, 2, " s"),
    ]


async def events_all_the_time(siege: Siege) -> list[Finding]:
    """50 sockets send as many events as they may, while the provider delivers and a player buys."""
    name, others = "events, all the time", siege.others
    sending = siege.attackers.start(raw.steady_events, siege.store.port, 50, 19, max(3, siege.part(10)))
    buying = asyncio.create_task(others.buy())
    webhooks = await until_done(others.webhook, sending)
    sent, bought = await sending, await buying
    return [
        siege.at_most(name, f"webhook p99 ({len(webhooks)})", 1000 * percentile(webhooks, 0.99), 250, " ms"),
        exactly(name, f"a player buys meanwhile ({sent:,} events)", bought, True),
    ]


async def _memory(siege: Siege, name: str, attack: asyncio.Future[int], ends: str) -> list[Finding]:
    async with PeakMemory(siege.store) as memory:
        times = await until_done(siege.others.livez, attack, most=10_000)
        ended = await attack
    return [
        siege.at_most(name, f"memory grows by ({ended:,} {ends})", memory.growth, 20, " MB"),
        siege.at_most(name, f"livez p99 ({len(times)})", 1000 * percentile(times, 0.99), 100, " ms"),
    ]


async def binary_frames(siege: Siege) -> list[Finding]:
    """Binary attachments without end, and frames of 2 MB."""
    attack = siege.attackers.start(raw.binary_attachments, siege.store.port)
    return await _memory(siege, "binary and huge frames", attack, "bytes sent")


async def silent_connections(siege: Siege) -> list[Finding]:
    """100,000 half-open handshakes, then 10,000 idle connections, at nginx in front of the store."""
    assert siege.proxy
    name, port = "silent connections", siege.proxy.port
    async with httpx.AsyncClient(base_url=siege.proxy.url, verify=siege.proxy.tls, timeout=60) as client:

        async def livez() -> float:
            return await timed(lambda: client.get("/livez"), 200)

        handshakes = siege.attackers.start(raw.half_open, port, siege.part(100_000), 5_000)
        async with PeakMemory(siege.store) as memory:
            times = await until_done(livez, handshakes, most=100_000)
        number = siege.part(10_000)
        idle = siege.attackers.start(raw.idle, port, number, max(2, siege.part(8)))
        await raw.until_connected(port, number, idle)
        bought, beside = await siege.others.buy(), [await livez() for _ in range(50)]
        still_open = not idle.done()
    return [
        siege.at_most(name, f"memory grows by ({await handshakes:,} handshakes)", memory.growth, 20, " MB"),
        siege.at_most(name, f"livez p99 ({len(times)})", 1000 * percentile(times, 0.99), 100, " ms"),
        exactly(name, f"a player buys beside {await idle:,} idle ones", bought and still_open, True),
        siege.at_most(name, "livez p99 beside them", 1000 * percentile(beside, 0.99), 100, " ms"),
    ]


async def unfinished_messages(siege: Siege) -> list[Finding]:
    """15 sockets, over a line of 400 Mbit/s, send messages that never end; then as many a first one to /ws."""
    sockets, findings = max(4, siege.part(15)), []
    for name, path in (("unfinished messages", raw.EVENTS), ("unfinished first messages", raw.MESSAGES)):
        attack = siege.attackers.start(raw.unfinished_messages, siege.store.port, path, sockets, 50_000_000)
        findings += await _memory(siege, name, attack, "ended by the store")
        findings.append(exactly(name, "connections that the store ended", await attack, sockets))
    return findings


async def long_frames(siege: Siege) -> list[Finding]:
    """50 sockets send frames of 64 kB as often as they may, and hang up."""
    name, seconds = "long frames", max(3, siege.part(10))
    sending = siege.attackers.start(raw.steady_events, siege.store.port, 50, 19, seconds, raw.LONG)
    webhooks = await until_done(siege.others.webhook, sending)
    idle_after = await seconds_until_idle(siege.store)
    return [
        siege.at_most(
            name, f"webhook p99 ({await sending:,} frames)", 1000 * percentile(webhooks, 0.99), 250, " ms"
        ),
        siege.at_most(name, "worker idle after", idle_after, 2, " s"),
    ]


async def never_read(siege: Siege) -> list[Finding]:
    """10 sockets send events and read none of the answers."""
    attack = siege.attackers.start(raw.never_read, siege.store.port, 10, 9, max(5, siege.part(40)))
    return await _memory(siege, "answers that nobody reads", attack, "events")


async def sockets_come_and_go(siege: Siege) -> list[Finding]:
    """4,000 tabs that open and are closed, after as many others."""
    tabs = siege.part(4_000)
    await siege.attackers.start(raw.come_and_go, siege.store.port, tabs)
    # Engine.IO keeps a closed connection until its next ping: what the first ones used is used again.
    await asyncio.sleep(siege.part(40))
    attack = siege.attackers.start(raw.come_and_go, siege.store.port, tabs)
    return await _memory(siege, "tabs come and go", attack, "tabs")


async def slow_bodies(siege: Siege) -> list[Finding]:
    """1,000 requests whose body comes a byte at a time."""
    name, requests = "slow bodies", siege.part(1_000)
    attack = siege.attackers.start(raw.slow_bodies, siege.store.port, requests, 20)
    findings = await _memory(siege, name, attack, "ended by the store")
    return [*findings, exactly(name, "requests that the store ended", await attack, requests)]


async def _sign_in(siege: Siege, address: str) -> tuple[int, float]:
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:
        account = {"username": siege.others.name, "password": PASSWORD}
        begin = time.perf_counter()
        answer = await client.post(f"{siege.others.client.base_url}/api/sessions", json=account)
        return answer.status_code, time.perf_counter() - begin


async def wrong_passwords(siege: Siege) -> list[Finding]:
    """300 wrong passwords for one name at the same time."""
    name, number = "wrong passwords", max(20, siege.part(300))
    wrong = [{"username": siege.others.name, "password": "wrong, and long enough"}] * number
    flood = siege.attackers.start(
        raw.post_at_once, siege.store.port, "/api/sessions", wrong, source_address(60_000)
    )
    await raw.until_connected(siege.store.port, 10, flood)
    right, took = await _sign_in(siege, "127.66.0.2")
    found = await flood
    # When a window of five minutes ends meanwhile, its tries weigh less from then on, and one more is let through.
    tried = found.get(401, 0)
    limited = tried in {10, 11} and found == {401: tried, 429: number - tried}
    return [
        Finding(name, "answers", str(found), "10 x 401 (11 when a window ends), else 429", limited),
        exactly(name, "the right one, from elsewhere", right, 201),
        siege.at_most(name, "it takes", took, 1, " s"),
    ]


async def registrations(siege: Siege) -> list[Finding]:
    """200 registrations at once from one address."""
    name, number = "registrations", max(60, siege.part(200))
    accounts = [{"username": f"r{uuid4().hex[:16]}", "password": PASSWORD} for _ in range(number)]
    flood = siege.attackers.start(
        raw.post_at_once, siege.store.port, "/api/users", accounts, source_address(60_001)
    )
    await raw.until_connected(siege.store.port, 10, flood)
    right, took = await _sign_in(siege, "127.66.0.3")
    found = await flood
    only = set(found) <= {201, 429, 503} and found.get(201, 0) <= 30
    return [
        Finding(name, "answers", str(found), "at most 30 x 201, else 429 or 503", only),
        exactly(name, "a sign-in from elsewhere", right, 201),
        siege.at_most(name, "it takes", took, 1, " s"),
    ]


async def odd_events_and_bodies(siege: Siege) -> list[Finding]:
    """100,000 events that no page sends, and bodies that end in the middle."""
    name, before = "odd events, aborted bodies", log_bytes(siege.store)
    number = siege.part(50_000)
    events = await siege.attackers.start(raw.flood_odd_events, siege.store.port, number, 1)
    bodies = await siege.attackers.start(raw.abort_bodies, siege.store.port, number)
    # What is summed up is written a second later.
    await asyncio.sleep(2)
    grown = (log_bytes(siege.store) - before) / 1e6
    tracebacks = siege.store.log().count("Traceback")
    return [
        siege.at_most(name, f"log grows by ({events:,} and {bodies:,})", grown, 1, " MB"),
        exactly(name, "tracebacks in the log", tracebacks, 0),
    ]


async def open_orders(siege: Siege) -> list[Finding]:
    """A player has 5,000 open orders, made in SQL, and goes on ordering 20 times a second."""
    name, others, many = "open orders", siege.others, siege.part(5_000)
    samples = max(20, siege.part(100))
    quiet_webhook = median(await repeated(others.webhook, samples))
    async with (
        Others(siege.store, others.orders, name="player-with-19") as with_19,
        Others(siege.store, others.orders, name="player-with-many") as with_many,
    ):
        for quantity in range(2, 21):
            await asyncio.to_thread(place_order, with_19.player, with_19.player_id, quantity=quantity)
        # In turns: the machine may be busier at one time than at another.
        in_turns = [(await others.order(), await with_19.order()) for _ in range(samples)]
        first, later = (median(times) for times in zip(*in_turns, strict=True))
        _multiply(siege.store, others.orders.pop().order_id, with_many.player_id, many)
        wanted = {"items": [{"sku": "health-potion", "quantity": 2}]}
        placing = siege.attackers.start(
            raw.post_steadily,
            siege.store.port,
            "/api/purchases",
            wanted,
            dict(with_many.player.headers),
            max(2, siege.part(10)),
        )
        webhooks, orders = [], []
        while not placing.done():
            webhooks.append(await others.webhook())
            orders.append(await others.order())
        answers, refusal = await placing
    return [
        siege.at_most(name, "placing with 19 of them, to without", later / first, 1.2, "x"),
        exactly(name, f"answers with {many:,} of them", {*answers}, {409}),
        siege.at_most(name, f"the answer with {many:,} of them, to an order without", refusal / first, 1.2, "x"),
        siege.at_most(name, "another's webhook meanwhile, to quiet", median(webhooks) / quiet_webhook, 1.5, "x"),
        siege.at_most(name, "another's order meanwhile, to quiet", median(orders) / first, 1.5, "x"),
    ]


def _multiply(store: StoreProcess, order_id: str, user_id: str, number: int) -> None:
    """Copy an open order of somebody in SQL, with its line and its attempt, so many times for this user."""
    with closing(sqlite3.connect(store.data_dir / "store.db", timeout=30)) as database, database:
        for table, key in (("orders", "id"), ("pending_purchases", "order_id"), ("payment_attempts", "order_id")):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            changed = {
                "id": "'many-' || n" if key == "id" else "NULL",
                "order_id": "'many-' || n",
                "user_id": f"'{user_id}'",
                "number": "'many-' || n" if key == "id" else "number",
                "provider_order_id": "'many-' || n",
            }
            values = ", ".join(changed.get(column, column) for column in columns)
            database.execute(
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, numbers "
                f"WHERE {key} = ?",
                (number, order_id),
            )


ATTACKS: tuple[Attack, ...] = (
    events_and_gone,
    events_all_the_time,
    binary_frames,
    unfinished_messages,
    long_frames,
    never_read,
    sockets_come_and_go,
    slow_bodies,
    wrong_passwords,
    registrations,
    odd_events_and_bodies,
)
