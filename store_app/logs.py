"""Logging: one line for each record, as text or JSON."""

import json
import logging
import logging.config
from typing import Any

from store_app.settings import get_settings


class OneLine(logging.Formatter):
    """Text on one line: line breaks that came from outside cannot fake a second record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, tracebacks below it."""
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


def configure_logging() -> None:
    """Set up the store's own loggers as LOG_LEVEL and LOG_FORMAT say."""
    settings = get_settings()
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(AsJson())
    else:
        handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("store_app", "webhook"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(settings.log_level)
