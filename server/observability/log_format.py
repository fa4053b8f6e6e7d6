"""The lines of the log: one fact a line, as text or as JSON, with ids and without tokens."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from protocol.text import escaped

#: Names of the facts that a line may carry in ``extra``, in the order in which they are written.
FIELDS: Final = (
    *("connection", "user", "event", "command", "type", "seq"),
    *("address", "count", "code", "status", "ms", "commands", "left_out", "work"),
)
#: Characters of a message or a fact; the rest is cut. A line of any client's making stays short.
MAX_FIELD_CHARACTERS: Final = 4_096
#: Characters of a traceback; its middle is cut, since the error stands at its end.
MAX_TRACEBACK_CHARACTERS: Final = 32_768
#: Stands in place of a token or a password.
MASKED: Final = "[masked]"
#: A JWT, the credentials of an ``Authorization`` header, and the password in a URL.
_SECRETS: Final = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]*){1,2}"
    r"|(?P<scheme>\b[Bb]earer )[^\s'\",;]+"
    r"|(?P<user>://[^\s/@:]*:)[^\s/@]+(?=@)"
)


def without_secrets(text: str) -> str:
    """Return ``text`` with tokens and passwords masked. The lines of the log name none.

    This is for lines of libraries, and for errors that quote what a client sent.
    """
    if "eyJ" not in text and "earer " not in text and "://" not in text:
        return text
    return _SECRETS.sub(lambda m: (m["scheme"] or m["user"] or "") + MASKED, text)


class _Format(logging.Formatter):
    """The parts that both formats share."""

    def __init__(self, process: int = 0) -> None:
        super().__init__()
        self._process = process
        """The number of this process, if there are several; else 0."""

    def message(self, record: logging.LogRecord) -> str:
        """Return the message of ``record``, without control characters and secrets."""
        return _one_line(record.getMessage())

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return the facts of ``record`` that are set, with secrets masked."""
        found = {}
        for name in FIELDS:
            value = getattr(record, name, None)
            if isinstance(value, str):
                value = _one_line(value)
            if value is not None and value != "":
                found[name] = value
        return found

    def traceback(self, record: logging.LogRecord) -> str:
        """Return the traceback of ``record``, or an empty text."""
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        text = without_secrets(record.exc_text or "")
        if len(text) <= MAX_TRACEBACK_CHARACTERS:
            return text
        half = MAX_TRACEBACK_CHARACTERS // 2
        return f"{text[:half]}\n[…]\n{text[-half:]}"


class TextFormat(_Format):
    """``2026-11-23 08:00:00,000 LEVEL logger message fact=value``; a traceback follows."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; facts that the message has already are not repeated."""
        message = self.message(record)
        facts = [
            f"{name}={value}"
            for name, value in self.facts(record).items()
            if str(value) not in message
        ]
        which = f"[{self._process}] " if self._process else ""
        head = f"{self.formatTime(record)} {record.levelname} {which}{record.name} "
        line = head + " ".join([message, *facts])
        traceback = self.traceback(record)
        return f"{line}\n{traceback}" if traceback else line


class JsonFormat(_Format):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, then the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback is in ``error``, with escaped newlines."""
        time = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **({"process": self._process} if self._process else {}),
            "logger": record.name,
            "message": self.message(record),
            **self.facts(record),
        }
        if traceback := self.traceback(record):
            fields["error"] = traceback
        return orjson.dumps(_encodable(fields), default=str).decode()


def format_for(name: str, process: int = 0) -> logging.Formatter:
    """Return the format of ``AYES_LOG_FORMAT``: ``text`` or ``json``; ``process``: its number."""
    return JsonFormat(process) if name == "json" else TextFormat(process)


def _one_line(text: str) -> str:
    """Return ``text`` on one line, short, printable, without secrets."""
    return without_secrets(escaped(_cut(text).replace("\n", " ")))


def _encodable(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace lone surrogates, which are no UTF-8; an operating system's error may hold some."""
    return {
        name: value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
        for name, value in fields.items()
    }


def _cut(text: str) -> str:
    return text if len(text) <= MAX_FIELD_CHARACTERS else f"{text[:MAX_FIELD_CHARACTERS]}…"
