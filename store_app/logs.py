"""Logging: one line for each record, as text or JSON."""

import json
import logging
import re
import time
from typing import Any

from store_app.settings import get_settings


class OneLine(logging.Formatter):
    """Text on one line: a line break in data from outside cannot fake a second record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, with its traceback below."""
        text = super().format(record)
        head, _, trace = text.partition("\nTraceback ")
        line = head.replace("\r", "\\r").replace("\n", "\\n")
        return f"{line}\nTraceback {trace}" if trace else line


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
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class WithoutClientData(logging.Filter):
    """Removes client data from Reflex's records: Reflex logs whole events, session cookies included.

    One such record is logged each second at most, because any client can cause any number of them.
    """

    _CLIENT_DATA = re.compile(r"(Event\(name=|[Ee]vent data: |but (?:received|got) ).*", re.DOTALL)

    def __init__(self) -> None:
        """Let the first such record pass."""
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten a record that holds client data; drop it if the last one was less than a second ago."""
        message, holds_data = self._CLIENT_DATA.subn(r"\1...", record.getMessage())
        if not holds_data:
            return True
        record.msg, record.args, record.exc_info, record.exc_text = message, (), None, None
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + 1
        return True


def configure_logging() -> None:
    """Set up the store's own loggers as LOG_LEVEL and LOG_FORMAT say, and Reflex's."""
    settings = get_settings()
    text = OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s")
    ours, of_reflex = logging.StreamHandler(), logging.StreamHandler()
    of_reflex.setLevel(logging.WARNING)
    of_reflex.addFilter(WithoutClientData())
    for name, handler in (("store_app", ours), ("webhook", ours), ("reflex", of_reflex)):
        handler.setFormatter(AsJson() if settings.log_format == "json" else text)
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        if handler is ours:
            logger.setLevel(settings.log_level)
