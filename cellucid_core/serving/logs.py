"""The server's log: text for a terminal, or one JSON object per line for a log collector."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from cellucid_core.errors import Unforeseen

LOGGER = logging.getLogger("cellucid")


class _Json(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        return json.dumps({**facts, **getattr(record, "facts", {})})


class _Text(logging.Formatter):
    """One line of text for people."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in getattr(record, "facts", {}).items())
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        return f"{stamp} {record.levelname} {record.getMessage()} {facts}"


def start_logging(how: str) -> None:
    """Send this package's log to standard error; `how` is ``json``, ``text`` or ``off``."""
    LOGGER.handlers.clear()
    LOGGER.propagate = False
    if how == "off":
        LOGGER.addHandler(logging.NullHandler())
        LOGGER.setLevel(logging.CRITICAL + 1)
        return
    if how == "json":
        # Streamlit logs the same errors with their messages, which may quote data.
        logging.getLogger("streamlit.error_util").addFilter(_nothing)
        logging.getLogger("uvicorn.error").addFilter(_without_traceback)  # `Watched` logs where it happened
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if how == "json" else _Text())
    LOGGER.addHandler(handler)
    # A terminal shows only what went wrong; a log collector gets everything that happened.
    LOGGER.setLevel(logging.INFO if how == "json" else logging.WARNING)


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = record.exc_text = None
    return True


def log_error(error: BaseException, where: str) -> Unforeseen:
    """Log an unforeseen error by its type and the lines it passed, not its message; return one that refers to it."""
    unforeseen = Unforeseen(error)
    LOGGER.error("error", extra={"facts": {"where": where, **unforeseen.facts}})
    return unforeseen
