"""Log lines: one JSON object, or one line for people, per lifecycle event, on standard error.

Uses the standard library's logging, so that uvicorn's own lines take the same way. Knows no
event: whoever logs passes its facts as `extra={...}`. Never called per datagram.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from lwm2m_fast.config import LogConfig

SELDOM_S = 60.0
MAX_TEMPLATES = 64
MAX_TEXT = 2048  # characters of one fact in a line; a device chooses what its name looks like

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_COLOURS = {"DEBUG": "dim", "INFO": "cyan", "WARNING": "yellow", "ERROR": "bold red"}


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal or start a new line escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[:MAX_TEXT]}... ({len(value)} characters)"
    return value


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller passed as `extra`."""
    return {name: _cut(v) for name, v in vars(record).items() if name not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object per line: at, level, logger, event, the facts, and `error` if one is told."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _cut(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return _dump(line | {name: v for name, v in facts(record).items() if name not in line})


def _dump(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # lone surrogates, integers beyond 64 bits: a log line must not fail
        return orjson.dumps({k: ascii(v) for k, v in line.items()}).decode()


class ConsoleHandler(logging.Handler):
    """One coloured line per event; colours only where the stream is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # takes longer than all else here, and JSON needs none
        from rich.text import Text

        super().__init__()
        self._text = Text
        self._console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
            line = self._text(moment, style="dim")
            line.append(f" {record.levelname.lower():7} ", _COLOURS.get(record.levelname, ""))
            line.append(printable(str(_cut(record.getMessage()))), style="")
            for name, value in facts(record).items():
                line.append(f"  {name}=", style="dim")
                line.append(printable(str(value)))
            if record.exc_info:
                line.append("\n" + logging.Formatter().formatException(record.exc_info))
            self._console.print(line)
        except Exception:
            self.handleError(record)


class Seldom(logging.Filter):
    """Lets each warning through once in SELDOM_S seconds, with how often it came since.

    For loggers whose warnings anybody can cause, such as a malformed HTTP request. Lines of
    other levels pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[float, int]] = {}  # by template

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        if len(self._last) > MAX_TEMPLATES:
            self._last.clear()
        at, unwritten = self._last.get(str(record.msg), (-SELDOM_S, 0))
        if record.created - at < SELDOM_S:
            self._last[str(record.msg)] = (at, unwritten + 1)
            return False
        record.times = unwritten + 1
        self._last[str(record.msg)] = (record.created, 0)
        return True


def _json_handler(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    return handler


HANDLERS = {"json": _json_handler, "console": ConsoleHandler}


def setup(config: LogConfig, stream: TextIO | None = None) -> None:
    """Send every logger of the process to `stream` (standard error) as `config` says.

    Replaces what an earlier call set up.
    """
    logging.raiseExceptions = False  # a closed stderr must not spread into the loop
    root = logging.getLogger()
    root.handlers[:] = [HANDLERS[config.format](stream or sys.stderr)]
    root.setLevel(config.level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)  # its start and stop lines repeat our own
        logger.filters[:] = [Seldom()]
