"""The `.env` file and the environment, ports and addresses that the servers are started with."""

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values

STORE_PORT = 8000
SIMULATOR_PORT = 8001
PROVIDER_ADDRESSES = ("XSOLLA_STORE_API_URL", "XSOLLA_MERCHANT_API_URL", "XSOLLA_PAYSTATION_URL")

TEMPLATE = """\
# Written once, with random secrets. Every setting is explained in .env.example.

# Our credentials at the payment provider. With Xsolla itself: copy these from its Publisher Account.
XSOLLA_WEBHOOK_SECRET={webhook_secret}
XSOLLA_API_KEY={api_key}
XSOLLA_PROJECT_ID={project_id}
XSOLLA_MERCHANT_ID={merchant_id}
XSOLLA_SANDBOX=true

# The addresses of the provider: here, of the simulator. Remove these three lines to talk to Xsolla.
XSOLLA_STORE_API_URL=http://localhost:8001
XSOLLA_MERCHANT_API_URL=http://localhost:8001
XSOLLA_PAYSTATION_URL=http://localhost:8001

# The store itself.
PUBLIC_URL=http://localhost:8000
ENVIRONMENT=development

# Only `docker compose` uses this one.
POSTGRES_PASSWORD={postgres_password}
"""


class BadEnvironment(Exception):
    """The servers cannot be started with these settings; the message says what to change."""


@dataclass(frozen=True)
class Plan:
    """What to start, where, and with which environment."""

    env: dict[str, str]
    host: str
    port: int
    public_url: str
    simulator_port: int | None
    """None if the payment provider is not on this machine."""

    @property
    def local_url(self) -> str:
        """The store's address on this machine, whatever the public one is."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def simulator_url(self) -> str:
        return f"http://localhost:{self.simulator_port}"


def write_env_file(path: Path) -> bool:
    """Write `.env` with new secrets, readable by its owner only; never overwrite an existing one.

    Returns:
        Whether it was written.
    """
    text = TEMPLATE.format(
        webhook_secret=secrets.token_urlsafe(32),
        api_key=secrets.token_urlsafe(24),
        project_id=secrets.randbelow(900_000) + 100_000,
        merchant_id=secrets.randbelow(900_000) + 100_000,
        postgres_password=secrets.token_urlsafe(24),
    )
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    return True


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def with_port(url: str, port: int) -> str:
    """Return the address with another port; an address of another machine stays as it is."""
    if not is_loopback(url):
        return url
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def make_plan(settings: Mapping[str, str]) -> Plan:
    """Decide what to start, from the settings that `read_settings` returns.

    Raises:
        BadEnvironment: a port is not a number from 1 to 65535, or both are the same.
    """
    env = dict(settings)
    public_url = env.get("PUBLIC_URL") or f"http://localhost:{STORE_PORT}"
    providers = {name: env[name] for name in PROVIDER_ADDRESSES if is_loopback(env.get(name, ""))}
    port = _port(env, "PORT", public_url, STORE_PORT)
    simulator_port = None
    if providers:
        simulator_port = _port(env, "SIMULATOR_PORT", next(iter(providers.values())), SIMULATOR_PORT)
        if simulator_port == port:
            raise BadEnvironment(f"PORT and SIMULATOR_PORT are both {port}: choose two different ones.")
        env |= {name: with_port(url, simulator_port) for name, url in providers.items()}
        env |= {
            "SIMULATOR_HOST": env.get("SIMULATOR_HOST") or "127.0.0.1",
            "SIMULATOR_PORT": str(simulator_port),
            "SIMULATOR_STORE_URL": f"http://localhost:{port}",
        }
    host = env.get("HOST") or "127.0.0.1"
    env |= {"PUBLIC_URL": with_port(public_url, port), "HOST": host, "PORT": str(port)}
    return Plan(_without_local_proxy(env), host, port, env["PUBLIC_URL"], simulator_port)


def read_settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in `.env`, overridden by the environment."""
    written = {name: value for name, value in dotenv_values(root / ".env").items() if value is not None}
    return written | dict(environ)


def _port(env: Mapping[str, str], name: str, url: str, default: int) -> int:
    text = env.get(name, "")
    if not text:
        return (urlsplit(url).port if is_loopback(url) else None) or default
    if not (text.isdecimal() and 0 < int(text) < 65_536):
        raise BadEnvironment(f"{name}={text} is not a port: use a number from 1 to 65535.")
    return int(text)


def _without_local_proxy(env: dict[str, str]) -> dict[str, str]:
    # The store and the simulator must reach each other directly, even if a proxy is set for other hosts.
    for name in ("NO_PROXY", "no_proxy"):
        others = [part for part in env.get(name, "").split(",") if part]
        env[name] = ",".join(dict.fromkeys([*others, "localhost", "127.0.0.1", "::1"]))
    return env
