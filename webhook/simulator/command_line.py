"""`python -m webhook.simulator serve | send | loop`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

import httpx

from webhook.simulator.demo_loop import DemoLoop
from webhook.simulator.scenarios import Scenario
from webhook.simulator.send import SimulatorTrouble, send
from webhook.simulator.server import CannotListen, serve
from webhook.simulator.settings import ClientSettings, Settings, SettingsError, load
from webhook.simulator.store_client import StoreTrouble

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
        print(f"The loop cannot go on: {error}.", file=sys.stderr)
        return _FAILED


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "serve":
        serve(load(Settings))
        return 0
    settings = load(ClientSettings)
    if chosen.command == "send":
        done = send(settings.simulator_url, chosen.order, chosen.scenario, chosen.wait)
    else:
        done = asyncio.run(_loop(settings, chosen))
    return 0 if done else _FAILED


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
    parser = argparse.ArgumentParser(prog="python -m webhook.simulator", description="The payment simulator.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the simulator")
    _add_send(commands.add_parser("send", help="make something happen to an order of the running simulator"))
    _add_loop(commands.add_parser("loop", help="buy random things for demo players, then compare the books"))
    return parser


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--order", required=True, help="number at the simulator, or the store's order id")
    parser.add_argument("--scenario", choices=[each.value for each in Scenario], default=Scenario.HAPPY.value)
    parser.add_argument("--wait", type=_seconds, default=15, help="seconds to wait for the store's answers")


def _add_loop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", type=_seconds, default=3, help="seconds between orders")
    parser.add_argument("--players", type=_players, default=3, help="how many demo players")
    parser.add_argument("--for", dest="seconds", type=_seconds, help="stop after so many seconds")


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= 1_000_000:
        raise argparse.ArgumentTypeError("must be seconds, 0 or more")
    return seconds


def _players(value: str) -> int:
    players = int(value)
    if not 1 <= players <= 1000:
        raise argparse.ArgumentTypeError("must be from 1 to 1000")
    return players
