"""`python -m simulator serve | send | release | loop | mix`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

import httpx

from simulator.app import CannotListen, serve
from simulator.client.demo_loop import DemoLoop
from simulator.client.random_run import Mix, Options
from simulator.client.simulator_client import Laboratory, SimulatorTrouble
from simulator.client.store_client import StoreTrouble
from simulator.scenarios import HOLD_SECONDS, Scenario
from simulator.settings import ClientSettings, Settings, SettingsError, load

_FAILED = 1
_WRONG_SETTINGS = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return _WRONG_SETTINGS
    except (CannotListen, SimulatorTrouble) as error:
        print(error, file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except StoreTrouble as error:
        print(f"This cannot go on: {error}.", file=sys.stderr)
        return _FAILED


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "serve":
        serve(load(Settings))
        return 0
    settings = load(ClientSettings)
    if chosen.command in {"send", "release"}:
        done = _send(settings, chosen)
    else:
        done = asyncio.run(_mix(settings, chosen) if chosen.command == "mix" else _loop(settings, chosen))
    return 0 if done else _FAILED


def _send(settings: ClientSettings, chosen: argparse.Namespace) -> bool:
    with Laboratory(settings.simulator_url) as laboratory:
        if chosen.command == "release":
            answer = laboratory.release(chosen.order, wait=chosen.wait)
        else:
            held = chosen.hold if chosen.scenario == Scenario.LATE else 0
            answer = laboratory.send(
                chosen.order,
                chosen.scenario,
                wait=chosen.wait + held,
                hold=chosen.hold,
                mode=chosen.mode,
                speed=chosen.speed,
            )
    print(report(answer, chosen.scenario if chosen.command == "send" else "released"))
    return bool(answer["as_expected"])


async def _mix(settings: ClientSettings, chosen: argparse.Namespace) -> bool:
    options = Options(
        seed=chosen.seed,
        orders=chosen.orders,
        players=chosen.players,
        speed=chosen.speed,
        at_once=chosen.at_once,
        with_repair=not chosen.without_repair,
    )
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await Mix(client, settings.public_url, settings.simulator_url, options).run()


async def _loop(settings: ClientSettings, chosen: argparse.Namespace) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _stop_on_signals(loop, stop)
    if chosen.seconds is not None:
        loop.call_later(chosen.seconds, stop.set)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        demo = DemoLoop(client, settings.public_url, settings.simulator_url)
        return await demo.run(players=chosen.players, every=chosen.every, stop=stop)


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """End in order at the first signal; a second one ends at once, as without us."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        stop.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, end)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="The payment simulator.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the simulator")
    _add_send(commands.add_parser("send", help="make something happen to an order of the running simulator"))
    _add_release(commands.add_parser("release", help="send what the scenario late holds back"))
    _add_loop(commands.add_parser("loop", help="buy random things for demo players, then compare the books"))
    _add_mix(commands.add_parser("mix", help="play a random mix of all scenarios, then compare the books"))
    return parser


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--order", required=True, help="number at the simulator, or the store's order id")
    parser.add_argument("--scenario", choices=[each.value for each in Scenario], default=Scenario.HAPPY.value)
    parser.add_argument("--wait", type=_seconds, default=15, help="seconds to wait for the store's answers")
    parser.add_argument(
        "--hold", type=_some, default=HOLD_SECONDS, help="seconds that late holds its notifications"
    )
    parser.add_argument("--mode", choices=["combined", "separate"], help="delivery mode, else the simulator's")
    parser.add_argument("--speed", type=_some, help="how many times faster than on schedule to repeat")


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--order", required=True, help="number at the simulator, or the store's order id")
    parser.add_argument("--wait", type=_seconds, default=15, help="seconds to wait for the store's answers")


def _add_mix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same mix")
    parser.add_argument("--orders", type=_count, default=200, help="how many orders")
    parser.add_argument("--players", type=_count, default=8, help="how many players place them")
    parser.add_argument("--at-once", type=_count, default=8, help="how many orders at the same time")
    parser.add_argument("--speed", type=_some, default=3600, help="how many times faster than on schedule")
    parser.add_argument(
        "--without-repair", action="store_true", help="expect that the store never learns what it is not told"
    )


def _add_loop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", type=_seconds, default=3, help="seconds between orders")
    parser.add_argument("--players", type=_count, default=3, help="how many demo players")
    parser.add_argument("--for", dest="seconds", type=_seconds, help="stop after so many seconds")


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= 1_000_000:
        raise argparse.ArgumentTypeError("must be seconds, 0 or more")
    return seconds


def _some(value: str) -> float:
    number = _seconds(value)
    if number == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _count(value: str) -> int:
    count = int(value)
    if not 1 <= count <= 10_000:
        raise argparse.ArgumentTypeError("must be from 1 to 10000")
    return count


def report(answer: dict[str, Any], what: str) -> str:
    """Say in lines what was sent and how the store answered."""
    order = answer["order"]
    heading = f"Order {order['id']} (store order {order['store_order']}), {what}: now {order['status']}"
    return "\n".join([heading, *_lines(answer["deliveries"])])


def _lines(deliveries: list[dict[str, Any]]) -> list[str]:
    counts: dict[str, int] = {}
    for delivery in deliveries:
        line = _line(delivery)
        counts[line] = counts.get(line, 0) + 1
    return [f"  {line}" if count == 1 else f"  {count} x {line}" for line, count in counts.items()]


def _line(delivery: dict[str, Any]) -> str:
    status = delivery["last_status"] or "no answer"
    answer = "" if delivery["acknowledged"] else f" {delivery['last_answer'] or ''}"
    surprise = "" if delivery["as_expected"] else f" (expected {delivery['expected_answer']})"
    tries = delivery["attempts"]
    return f"{delivery['type']}: {delivery['outcome']}, {status}, tries: {tries}{answer}".rstrip() + surprise


if __name__ == "__main__":
    sys.exit(main())
