"""Logging: one handler and one format for all loggers. What clients cause is cut, and repeats are counted."""

import json
import logging
import re
import threading
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from prometheus_client import Counter

from store_app.settings import get_settings

# Of a record that a client can cause: how much of its text is logged, and how often one call site logs.
MAX_CLIENT_TEXT = 500
MAX_TRACEBACK = 8_000
SECONDS_BETWEEN_REPEATS = 1.0
_OWN_LOGGERS = ("store_app", "webhook")
_OTHER_LOGGERS = ("reflex", "reflex_base", "socketio", "engineio", "asyncio", "uvicorn", "granian", "_granian")
# These add a handler of their own unless they have a level.
_WITH_OWN_HANDLER = ("socketio.server", "engineio.server")
# Granian configures its loggers in each worker, after the store has. Its records go to the root's handler too.
_TO_ROOT = {"handlers": [], "propagate": True}
GRANIAN_LOGGING = {"loggers": {"_granian": {**_TO_ROOT}, "granian.access": {**_TO_ROOT}}}

security_logger = logging.getLogger("store_app.security")
SECURITY_EVENTS = Counter(
    "store_security_events", "Refusals and endings that matter for security, by kind.", ["kind"]
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def counted(kind: str) -> Mapping[str, str]:
    """Return the `extra` of a record that clients can cause at will: its repeats are summed up once a second."""
    return {"repeats_of": kind}


def note_security_event(kind: str, message: str, *arguments: object, level: int = logging.WARNING) -> None:
    """Count and log a security event; `kind` must come from a small, fixed set."""
    SECURITY_EVENTS.labels(kind).inc()
    security_logger.log(level, "%s: " + message, kind, *arguments, extra=counted(kind))  # noqa: G003 - constants


def _escaped(text: str) -> str:
    """Escape control characters, line breaks and lone surrogates: they could fake a record or not be writable."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class OneLine(logging.Formatter):
    """Text on one line; a traceback follows, indented, so that a line break in it cannot fake a second record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the record without its traceback."""
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        """Return the end of the traceback."""
        lines = super().formatException(ei)[-MAX_TRACEBACK:].split("\n")
        return "\n".join(f"  {_escaped(line)}" for line in lines)


class AsJson(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        fields: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info or record.exc_text:
            error = record.exc_text or self.formatException(record.exc_info or (None, None, None))
            fields["error"] = error[-MAX_TRACEBACK:]
        return json.dumps(fields)


class WithoutClientData(logging.Filter):
    """Cuts the records of other packages: Reflex logs whole events, session cookies included.

    A traceback is kept if it passes through the store's own code, which a client's odd arguments never reach.
    """

    _CLIENT_DATA = re.compile(r"(Event\(name=|[Ee]vent data: |but (?:received|got) ).*", re.DOTALL)
    # Reflex puts the traceback into the message.
    _TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?P<frames>(?:[ ].*\n)+)")
    _OWN_FRAME = re.compile(r'^  File "[^"\n]*/(?:store_app|webhook)/', re.MULTILINE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut a record of another package, and drop it below WARNING."""
        if record.name.partition(".")[0] in _OWN_LOGGERS:
            return True
        if record.levelno < logging.WARNING:
            return False
        message = self._without_traceback(record)
        if record.exc_info and not _passes_through_own_code(record.exc_info[2]):
            error = "".join(traceback.format_exception_only(*record.exc_info[:2])).strip()
            message = f"{message}: {error}"
            record.exc_info = record.exc_text = None
        record.msg, record.args = self._CLIENT_DATA.sub(r"\1...", message)[:MAX_CLIENT_TEXT], ()
        return True

    def _without_traceback(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if "[Reflex Frontend Exception]" in message:
            return message  # a text of the client, whatever it looks like
        found = self._TRACEBACK.search(message)
        if found is None:
            return message
        if self._OWN_FRAME.search(found["frames"]):
            record.exc_text = "\n".join(
                f"  {_escaped(line)}" for line in found[0][-MAX_TRACEBACK:].rstrip().split("\n")
            )
        return message[: found.start()].strip() + " " + message[found.end() :].strip()


def _passes_through_own_code(trace: TracebackType | None) -> bool:
    names = (str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(trace))
    return any(name.partition(".")[0] in _OWN_LOGGERS for name in names)


class CountingHandler(logging.StreamHandler[Any]):
    """Writes one record of a kind each second, then how many more of them there were in that second."""

    def __init__(self) -> None:
        """Write to standard error."""
        super().__init__()
        # The kinds of the last second: when each may be logged again, and how many were left out.
        self._until: dict[object, float] = {}
        self._left_out: dict[object, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count a record; `logging` holds the handler's lock meanwhile."""
        kind, now = _kind(record), time.monotonic()
        if kind is None or now >= self._until.get(kind, 0.0):
            if kind is not None:
                self._until[kind] = now + SECONDS_BETWEEN_REPEATS
            super().emit(record)
            return
        if kind not in self._left_out:
            timer = threading.Timer(self._until[kind] - now, self._sum_up, (kind, record.name, record.levelno))
            timer.daemon = True
            timer.start()
        self._left_out[kind] = self._left_out.get(kind, 0) + 1

    def _sum_up(self, kind: object, name: str, level: int) -> None:
        what = kind if isinstance(kind, str) else "record"
        with self.lock or threading.Lock():
            text = f"{what}: {self._left_out.pop(kind)} more like this in the last second"
            super().emit(logging.LogRecord(name, level, "", 0, text, (), None))


def _kind(record: logging.LogRecord) -> object | None:
    """Return what a record repeats; None for those that no client can cause at will."""
    kind: str | None = getattr(record, "repeats_of", None)
    if kind is not None or record.name.partition(".")[0] in _OWN_LOGGERS:
        return kind
    # Not the text, which may be the client's.
    return (record.name, record.pathname, record.lineno)


def configure_logging() -> None:
    """Send the records of all loggers to one handler, as LOG_LEVEL and LOG_FORMAT say."""
    settings = get_settings()
    handler = CountingHandler()
    handler.addFilter(WithoutClientData())
    text = OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(AsJson() if settings.log_format == "json" else text)
    logging.getLogger().handlers = [handler]
    for name in (*_OWN_LOGGERS, *_OTHER_LOGGERS):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        if name in _OWN_LOGGERS:
            logger.setLevel(settings.log_level)
    for name in _WITH_OWN_HANDLER:
        logging.getLogger(name).setLevel(logging.WARNING)
