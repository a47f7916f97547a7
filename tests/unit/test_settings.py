"""Settings: which values are accepted, and that each refusal is one sentence that names the setting."""

import string
from pathlib import Path
from random import Random

import pytest

from store_app import network
from store_app.payments.registry import default_provider
from store_app.settings import BadSettings, Settings, get_settings, is_guessable

GOOD = {"XSOLLA_WEBHOOK_SECRET": "a-secret-of-sixteen-letters"}
PRODUCTION = {
    **GOOD,
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://shop.example",
    "XSOLLA_PROJECT_ID": "308077",
    "XSOLLA_MERCHANT_ID": "887981",
    "XSOLLA_API_KEY": "83e337744293495f",
    "XSOLLA_SANDBOX": "false",
}


def _without(name: str) -> dict[str, str]:
    return {key: value for key, value in PRODUCTION.items() if key != name}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def _read(**environ: str) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return get_settings.__wrapped__()


def test_only_the_webhook_secret_is_required() -> None:
    settings = _read(**GOOD)
    assert settings.database_url == "sqlite:///data/store.db"
    assert settings.public_url == "http://localhost:8000"
    assert settings.environment == "development"
    assert settings.order_expires_minutes == 1440
    assert not settings.secure_cookies


def test_the_environment_overrides_the_file() -> None:
    Path(".env").write_text("XSOLLA_WEBHOOK_SECRET=from-file\nLOG_LEVEL=DEBUG\nUNKNOWN=1\n", encoding="utf-8")
    settings = _read(LOG_LEVEL="ERROR")
    assert (settings.webhook_secrets, settings.log_level) == (("from-file",), "ERROR")


def test_production_accepts_real_addresses() -> None:
    settings = _read(**PRODUCTION)
    assert settings.secure_cookies
    assert settings.allowed_origins == ("https://shop.example",)


def test_production_needs_nothing_of_xsolla_when_another_provider_opens_payment_pages() -> None:
    settings = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://shop.example", "PAYMENT_PROVIDER": "acme"}
    assert _read(**settings).xsolla_project_id == 0


def test_several_secrets_can_be_given_for_rotation() -> None:
    assert _read(XSOLLA_WEBHOOK_SECRET=" new , old,").webhook_secrets == ("new", "old")


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"])
def test_a_postgresql_address_gets_its_driver(url: str) -> None:
    assert _read(**GOOD, DATABASE_URL=url).database_url == "postgresql+psycopg2://u:p@h/d"


@pytest.mark.parametrize(
    ("sandbox", "own", "url"),
    [
        ("true", "", "https://sandbox-secure.xsolla.com"),
        ("false", "", "https://secure.xsolla.com"),
        ("true", "http://localhost:8001/", "http://localhost:8001"),
    ],
)
def test_the_address_of_the_payment_page_depends_on_the_mode(sandbox: str, own: str, url: str) -> None:
    assert _read(**GOOD, XSOLLA_SANDBOX=sandbox, XSOLLA_PAYSTATION_URL=own).paystation_url == url


def test_on_loopback_all_names_of_this_machine_are_allowed_origins() -> None:
    origins = _read(**GOOD, PUBLIC_URL="http://localhost:8000").allowed_origins
    assert set(origins) == {"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"}
    assert _read(**GOOD, PUBLIC_URL="https://shop.example").allowed_origins == ("https://shop.example",)


FORBIDDEN_IN_PRODUCTION = (
    "http://sandbox.example",
    "https://localhost",
    "https://127.0.0.1:8001",
    "https://[::1]",
    "https://0.0.0.0",
)
LESS_OBVIOUS_LOOPBACK = (
    "https://127.0.0.2",
    "https://shop.localhost",
    "https://localhost.",
    "https://[::ffff:127.0.0.1]",
)
REFUSED = {
    "no secret": ({"XSOLLA_WEBHOOK_SECRET": ""}, "XSOLLA_WEBHOOK_SECRET"),
    "only commas": ({"XSOLLA_WEBHOOK_SECRET": " , ,"}, "XSOLLA_WEBHOOK_SECRET"),
    "another database": ({**GOOD, "DATABASE_URL": "mysql://u:p@h/d"}, "DATABASE_URL"),
    "no database": ({**GOOD, "DATABASE_URL": ""}, "DATABASE_URL"),
    "another environment": ({**GOOD, "ENVIRONMENT": "staging"}, "ENVIRONMENT"),
    "no address": ({**GOOD, "PUBLIC_URL": "shop.example"}, "PUBLIC_URL"),
    "another scheme": ({**GOOD, "PUBLIC_URL": "ftp://shop.example"}, "PUBLIC_URL"),
    "an invalid port": ({**GOOD, "PUBLIC_URL": "http://localhost:port"}, "PUBLIC_URL"),
    "a port too large": ({**GOOD, "XSOLLA_STORE_API_URL": "http://localhost:99999"}, "XSOLLA_STORE_API_URL"),
    "a broken address": ({**GOOD, "XSOLLA_STORE_API_URL": "http://[bad"}, "XSOLLA_STORE_API_URL"),
    "not a number": ({**GOOD, "XSOLLA_PROJECT_ID": "mine"}, "XSOLLA_PROJECT_ID"),
    "neither true nor false": ({**GOOD, "XSOLLA_SANDBOX": "perhaps"}, "XSOLLA_SANDBOX"),
    "expires at once": ({**GOOD, "ORDER_EXPIRES_MINUTES": "0"}, "ORDER_EXPIRES_MINUTES"),
    "never expires": ({**GOOD, "ORDER_EXPIRES_MINUTES": "1e9"}, "ORDER_EXPIRES_MINUTES"),
    "log level": ({**GOOD, "LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
    "log format": ({**GOOD, "LOG_FORMAT": "xml"}, "LOG_FORMAT"),
    "production, short secret": ({**PRODUCTION, "XSOLLA_WEBHOOK_SECRET": "short"}, "XSOLLA_WEBHOOK_SECRET"),
    "production, one short secret": (
        {**PRODUCTION, "XSOLLA_WEBHOOK_SECRET": "a-secret-of-sixteen-letters,short"},
        "XSOLLA_WEBHOOK_SECRET",
    ),
    "production, no project": (_without("XSOLLA_PROJECT_ID"), "XSOLLA_PROJECT_ID"),
    "production, project 0": ({**PRODUCTION, "XSOLLA_PROJECT_ID": "0"}, "XSOLLA_PROJECT_ID"),
    "production, neither sandbox nor live": (_without("XSOLLA_SANDBOX"), "XSOLLA_SANDBOX"),
    "production, plain http": ({**PRODUCTION, "PUBLIC_URL": "http://shop.example"}, "PUBLIC_URL"),
    **{
        f"production, {name} {url}": ({**PRODUCTION, name: url}, name)
        for name in ("XSOLLA_STORE_API_URL", "XSOLLA_MERCHANT_API_URL", "XSOLLA_PAYSTATION_URL")
        for url in FORBIDDEN_IN_PRODUCTION + LESS_OBVIOUS_LOOPBACK
    },
}


@pytest.mark.parametrize(("environ", "name"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_value_is_refused_with_one_sentence_that_names_it(environ: dict[str, str], name: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        _read(**environ)
    message = str(refusal.value)
    assert name in message
    assert "\n" not in message
    assert len(message) < 200


@pytest.mark.parametrize(
    "secret",
    [
        "jxy2i4LU7tr9cY",
        "aaaaaaaaaaaaaaaa",
        "1234567890123456",
        "abcdefghijklmnop",
        "qwertyuiopasdfgh",
        "abababababababab",
        "changemechangeme",
        "Password1234567!",
        "your-webhook-secret-here",
        "xsolla_webhook_secret",
        "put-your-secret-here",
        "<your webhook secret>",
        "replace-me-in-production",
        "x" * 100,
        "-" * 16,
    ],
)
def test_a_secret_can_be_guessed(secret: str) -> None:
    assert is_guessable(secret)


@pytest.mark.parametrize("length", [16, 32, 100])
def test_a_random_secret_cannot_be_guessed(length: int) -> None:
    letters, random = string.ascii_letters + string.digits, Random(length)
    secrets = ["".join(random.choices(letters, k=length)) for _ in range(50)]
    assert [secret for secret in secrets if is_guessable(secret)] == []


def test_a_refusal_does_not_repeat_a_secret() -> None:
    with pytest.raises(BadSettings) as refusal:
        _read(**{**PRODUCTION, "XSOLLA_WEBHOOK_SECRET": "hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_a_provider_that_is_not_registered_is_refused_and_the_known_ones_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XSOLLA_WEBHOOK_SECRET", "secret")
    monkeypatch.setenv("PAYMENT_PROVIDER", "nobody")
    get_settings.cache_clear()
    with pytest.raises(BadSettings, match=r"no payment provider 'nobody'; there are: xsolla"):
        default_provider()
    get_settings.cache_clear()


def test_a_store_without_xsolla_needs_no_secret_of_xsolla() -> None:
    assert Settings(_env_file=None, payment_provider="acme").webhook_secrets == ()


@pytest.mark.parametrize("text", ["*", "10.0.0.0/33", "shop.example", "192.0.2.1, x"])
def test_allowed_networks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="WEBHOOK_ALLOWED_NETWORKS: "):
        _read(**GOOD, WEBHOOK_ALLOWED_NETWORKS=text)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.1", True),
        ("198.51.100.77", True),
        ("::ffff:198.51.100.77", True),
        ("2001:db8::7", True),
        ("192.0.2.2", False),
        ("2001:db9::7", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_only_allowed_networks_may_deliver(
    monkeypatch: pytest.MonkeyPatch, address: str, *, allowed: bool
) -> None:
    settings = _read(**GOOD, WEBHOOK_ALLOWED_NETWORKS="192.0.2.1, 198.51.100.0/24, 2001:db8::/32")
    monkeypatch.setattr(network, "get_settings", lambda: settings)
    assert network.may_deliver(address) is allowed
