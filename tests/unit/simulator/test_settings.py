"""The simulator's settings, and the messages for invalid ones."""

import pytest

from simulator import app
from simulator.settings import ClientSettings, Settings, SettingsError, load

VALID = {
    "XSOLLA_WEBHOOK_SECRET": "new_secret, old_secret",
    "XSOLLA_PROJECT_ID": "1",
    "XSOLLA_MERCHANT_ID": "2",
    "XSOLLA_API_KEY": "key",
}


@pytest.fixture(autouse=True)
def valid_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("no-dotenv"))
    for name in [*Settings.model_fields, *VALID]:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in VALID.items():
        monkeypatch.setenv(name, value)


def test_defaults_are_for_one_machine() -> None:
    settings = load(Settings)
    assert settings.signing_secret == "new_secret"
    assert settings.store_url == "http://localhost:8000"
    assert settings.simulator_url == "http://localhost:8001"
    assert settings.listens_on_loopback


def test_the_store_can_have_another_address_for_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_STORE_URL", "http://store:8000/")
    monkeypatch.setenv("SIMULATOR_HOST", "0.0.0.0")  # noqa: S104, the test is about this address
    settings = load(Settings)
    assert settings.store_url == "http://store:8000"
    assert not settings.listens_on_loopback


def test_the_client_commands_need_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VALID:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIMULATOR_PORT", "9001")
    assert load(ClientSettings).simulator_url == "http://localhost:9001"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XSOLLA_WEBHOOK_SECRET", " , x"),
        ("XSOLLA_PROJECT_ID", "abc"),
        ("XSOLLA_API_KEY", ""),
        ("PUBLIC_URL", "localhost:8000"),
        ("SIMULATOR_STORE_URL", "ftp://store"),
        ("SIMULATOR_PORT", "70000"),
        ("SIMULATOR_MODE", "both"),
        ("SIMULATOR_SPEED", "0"),
        ("SIMULATOR_SPEED", "inf"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^{name} is invalid: [^\n]+\.$"):
        load(Settings)


def test_a_missing_secret_is_reported_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XSOLLA_WEBHOOK_SECRET")
    with pytest.raises(SettingsError, match=r"^XSOLLA_WEBHOOK_SECRET is missing: set it"):
        load(Settings)


class _ServerThatEnds:
    def __init__(self, *_arguments: object, **_options: object) -> None:
        pass

    def serve(self) -> None:
        pass


@pytest.mark.parametrize(("host", "loud"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104 - not bound
def test_listening_beyond_this_machine_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, *, loud: bool
) -> None:
    monkeypatch.setenv("SIMULATOR_HOST", host)
    monkeypatch.setattr(app, "_require_free_port", lambda *_: None)
    monkeypatch.setattr(app, "Granian", _ServerThatEnds)
    app.serve(load(Settings))
    assert ("WARNING: THE SIMULATOR LISTENS ON" in capsys.readouterr().out) is loud
