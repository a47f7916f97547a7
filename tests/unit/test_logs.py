"""What is logged of records that clients can cause."""

import io
import json
import logging
import time
from collections.abc import Callable

import pytest

from store_app import logs
from store_app.logs import AsJson, CountingHandler, OneLine, WithoutClientData, counted

FORMAT = "%(levelname)s %(name)s: %(message)s"
Make = Callable[[str], logging.Logger]


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def handler(output: io.StringIO) -> CountingHandler:
    handler = CountingHandler()
    handler.setStream(output)
    handler.addFilter(WithoutClientData())
    handler.setFormatter(OneLine(FORMAT))
    return handler


@pytest.fixture
def make(handler: CountingHandler) -> Make:
    def make(name: str) -> logging.Logger:
        logger = logging.Logger(name)  # noqa: LOG001 - a logger of this test alone
        logger.addHandler(handler)
        return logger

    return make


def _fail(message: str) -> None:
    raise ValueError(message)


def test_a_line_break_or_an_escape_code_cannot_fake_a_record(make: Make, output: io.StringIO) -> None:
    make("store_app.x").info("a\nERROR root: b\u2028\x1b[2J\ud800")
    assert output.getvalue() == "INFO store_app.x: a\\nERROR root: b\\u2028\\x1b[2J\\ud800\n"


def test_a_line_break_in_an_exception_cannot_fake_a_record(make: Make, output: io.StringIO) -> None:
    try:
        _fail("a\nERROR root: fake")
    except ValueError:
        make("store_app.x").exception("it failed")
    assert "Traceback" in output.getvalue()
    assert not any(line.startswith("ERROR root") for line in output.getvalue().splitlines())


def test_repeats_are_summed_up_after_a_second(
    make: Make, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SECONDS_BETWEEN_REPEATS", 0.2)
    logger = make("webhook.router")
    for number in range(38):
        logger.warning("refused %d", number, extra=counted("refused delivery"))
    logger.warning("another kind", extra=counted("other"))
    deadline = time.monotonic() + 5
    while "more" not in output.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert output.getvalue().splitlines() == [
        "WARNING webhook.router: refused 0",
        "WARNING webhook.router: another kind",
        "WARNING webhook.router: refused delivery: 37 more like this in the last second",
    ]


def test_the_stores_own_errors_are_all_logged(make: Make, output: io.StringIO) -> None:
    for number in range(3):
        make("store_app.x").error("number %d", number)
    assert len(output.getvalue().splitlines()) == 3


def test_a_record_of_another_package_is_cut(make: Make, output: io.StringIO) -> None:
    make("reflex.app").error("[Reflex Frontend Exception]\n %s\n", "A" * 100_000)
    assert len(output.getvalue()) < 600


def test_reflexs_traceback_of_a_clients_odd_arguments_is_left_out(make: Make, output: io.StringIO) -> None:
    trace = 'Traceback (most recent call last):\n  File "/x/reflex/s.py", line 1, in f\n  g()\nTypeError: odd\n'
    make("reflex.app").error(f"[Reflex Backend Exception]\n {trace}\n")
    assert output.getvalue() == "ERROR reflex.app: [Reflex Backend Exception] TypeError: odd\n"


def test_reflexs_traceback_of_the_stores_own_fault_is_kept(make: Make, output: io.StringIO) -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/x/store_app/web/y.py", line 7, in f\n    g()\nKeyError: 1\n'
    )
    make("reflex.app").error(f"[Reflex Backend Exception]\n {trace}\n")
    assert 'store_app/web/y.py", line 7' in output.getvalue()


def test_a_frontend_exception_cannot_pass_for_the_stores_own_fault(make: Make, output: io.StringIO) -> None:
    text = 'Traceback (most recent call last):\n  File "/x/store_app/y.py", line 7, in f\n' + "  g()\n" * 1_000
    make("reflex.app").error(f"[Reflex Frontend Exception]\n {text}\n")
    assert len(output.getvalue()) < 1_200
    assert len(output.getvalue().splitlines()) == 1


def test_an_exception_outside_the_stores_code_is_one_line(make: Make, output: io.StringIO) -> None:
    try:
        _fail("B" * 10_000)
    except ValueError:
        make("asyncio").exception("Task exception was never retrieved")
    assert output.getvalue().startswith("ERROR asyncio: Task exception was never retrieved: ValueError: BBB")
    assert len(output.getvalue()) < 600


def test_json_keeps_the_traceback(make: Make, handler: CountingHandler, output: io.StringIO) -> None:
    handler.setFormatter(AsJson())
    try:
        _fail("c")
    except ValueError:
        make("store_app.x").exception("it failed")
    record = json.loads(output.getvalue())
    assert (record["logger"], record["message"]) == ("store_app.x", "it failed")
    assert "ValueError: c" in record["error"]
