"""The command line: `python -m simulator serve | send | release | loop | mix`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

import httpx

from simulator.app import CannotListen, serve
from simulator.client.demo_loop import DemoLoop
from simulator.client.random_run import RandomRun, RunOptions
from simulator.client.simulator_client import SimulatorClient, SimulatorError
from simulator.client.store_client import StoreError
from simulator.scenarios import HOLD_SECONDS, Scenario
from simulator.settings import ClientSettings, Settings, SettingsError, load

_EXIT_FAILED = 1
_EXIT_INVALID_SETTINGS = 2
_EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return _EXIT_INVALID_SETTINGS
    except (CannotListen, SimulatorError) as error:
        print(error, file=sys.stderr)
        return _EXIT_FAILED
    except StoreError as error:
        print(f"The command failed: {error}.", file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "serve":
        serve(load(Settings))
        return 0
    settings = load(ClientSettings)
    if arguments.command in {"send", "release"}:
        succeeded = _send_or_release(settings, arguments)
    elif arguments.command == "mix":
        succeeded = asyncio.run(_random_run(settings, arguments))
    else:
        succeeded = asyncio.run(_demo_loop(settings, arguments))
    return 0 if succeeded else _EXIT_FAILED


def _send_or_release(settings: ClientSettings, arguments: argparse.Namespace) -> bool:
    with SimulatorClient(settings.simulator_url) as simulator:
        if arguments.command == "release":
            result = simulator.release(arguments.order, wait=arguments.wait)
        else:
            held = arguments.hold if arguments.scenario == Scenario.LATE else 0
            result = simulator.send(
                arguments.order,
                arguments.scenario,
                wait=arguments.wait + held,
                hold=arguments.hold,
                mode=arguments.mode,
                speed=arguments.speed,
            )
    print(_report(result, "released" if arguments.command == "release" else arguments.scenario))
    return bool(result["as_expected"])


async def _random_run(settings: ClientSettings, arguments: argparse.Namespace) -> bool:
    options = RunOptions(
        seed=arguments.seed,
        orders=arguments.orders,
        users=arguments.users,
        speed=arguments.speed,
        concurrency=arguments.at_once,
        with_reconciliation=not arguments.without_reconciliation,
    )
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await RandomRun(client, settings.public_url, settings.simulator_url, options).run()


async def _demo_loop(settings: ClientSettings, arguments: argparse.Namespace) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _stop_on_signals(loop, stop)
    if arguments.seconds is not None:
        loop.call_later(arguments.seconds, stop.set)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        demo = DemoLoop(client, settings.public_url, settings.simulator_url)
        return await demo.run(users=arguments.users, interval_seconds=arguments.every, stop=stop)


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop and compare at the first signal; a second signal ends the process at once."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def handle() -> None:
        stop.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, handle)


def _report(result: dict[str, Any], action: str) -> str:
    """Return lines that say what was sent and how the store responded."""
    order = result["order"]
    lines = [f"Order {order['id']} (store order {order['store_order_id']}), {action}: now {order['status']}"]
    counts: dict[str, int] = {}
    for notification in result["notifications"]:
        line = _notification_line(notification)
        counts[line] = counts.get(line, 0) + 1
    lines += [f"  {line}" if count == 1 else f"  {count} x {line}" for line, count in counts.items()]
    return "\n".join(lines)


def _notification_line(notification: dict[str, Any]) -> str:
    response = notification["last_response_status"] or "no response"
    line = f"{notification['type']}: {notification['status']}, {response}"
    line += f", deliveries: {notification['deliveries']}"
    if not notification["acknowledged"] and notification["last_response"]:
        line += f" {notification['last_response']}"
    return line if notification["as_expected"] else f"{line} (expected {notification['expected_response']})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="The payment simulator.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the simulator")
    _add_send(commands.add_parser("send", help="run a scenario on an order of the running simulator"))
    _add_release(commands.add_parser("release", help="send the notifications that the scenario late holds"))
    _add_loop(commands.add_parser("loop", help="buy random items for demo users, then compare the libraries"))
    _add_mix(commands.add_parser("mix", help="run random scenarios, then compare simulator and store"))
    return parser


def _add_send(parser: argparse.ArgumentParser) -> None:
    _add_order_and_wait(parser)
    parser.add_argument("--scenario", choices=[each.value for each in Scenario], default=Scenario.HAPPY.value)
    parser.add_argument(
        "--hold", type=_positive, default=HOLD_SECONDS, help="seconds for which late holds its notifications"
    )
    parser.add_argument("--mode", choices=["combined", "separate"], help="delivery mode, else the simulator's")
    parser.add_argument("--speed", type=_positive, help="how many times faster than the schedule to retry")


def _add_release(parser: argparse.ArgumentParser) -> None:
    _add_order_and_wait(parser)


def _add_order_and_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--order", required=True, help="order id at the simulator or at the store")
    parser.add_argument("--wait", type=_seconds, default=15, help="seconds to wait for the store's responses")


def _add_mix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same run")
    parser.add_argument("--orders", type=_count, default=200, help="number of orders")
    parser.add_argument("--users", type=_count, default=8, help="number of users who place them")
    parser.add_argument("--at-once", type=_count, default=8, help="number of orders at the same time")
    parser.add_argument(
        "--speed", type=_positive, default=3600, help="how many times faster than the schedule to retry"
    )
    parser.add_argument(
        "--without-reconciliation", action="store_true", help="expect that the store never reconciles an order"
    )


def _add_loop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", type=_seconds, default=3, help="seconds between orders")
    parser.add_argument("--users", type=_count, default=3, help="number of demo users")
    parser.add_argument("--for", dest="seconds", type=_seconds, help="stop after this number of seconds")


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= 1_000_000:
        raise argparse.ArgumentTypeError("must be from 0 to 1000000")
    return seconds


def _positive(value: str) -> float:
    number = _seconds(value)
    if number == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _count(value: str) -> int:
    count = int(value)
    if not 1 <= count <= 10_000:
        raise argparse.ArgumentTypeError("must be from 1 to 10000")
    return count


if __name__ == "__main__":
    sys.exit(main())
