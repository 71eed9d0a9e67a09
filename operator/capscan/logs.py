"""The operator's log on standard error: lines for people, or one JSON object a line.

Modules log with the standard library; what a machine may want to filter by goes along in `extra`,
under the names in FIELDS. Only those reach the JSON: what other packages attach is theirs, and may
be anything.
"""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any

from capscan.core.text import printable, shorten

FIELDS = (
    "scan", "run", "crd", "provider", "reason", "trigger", "phase", "attempts", "configuration"
)  # fmt: skip
"""What a line is about. `reason` is as in conditions and failed items."""

MESSAGE_CHARS_MAX = 16_000
"""A longer message is cut: some have in them what a server or an object said."""

_LINE_ENDS = re.compile(r"[\r\n]++")

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def configure_logging(level: str = "info", style: str = "text") -> None:
    """Set up the log of this process. `level` is capscan's own; other packages report from INFO up.

    kopf says nothing: `handlers.py` and `watching.py` log what matters of its errors. httpx2 says
    little, because it would have a line for each question to a model.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(TEXT))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("capscan").setLevel(level.upper())
    logging.getLogger("kopf").setLevel(logging.CRITICAL)
    logging.getLogger("httpx2").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """Formats a record as one line, and a traceback below it. What a terminal would obey, or a
    reader would not see, is written as an escape.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Make one line of the message: what other programs said may have line ends in it."""
        message = shorten(record.message, MESSAGE_CHARS_MAX)
        pieces = _LINE_ENDS.split(message)
        if len(pieces) > 1:
            message = " ".join(stripped for piece in pieces if (stripped := piece.strip()))
        record.message = printable(message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802, ANN401 - as in logging
        """Indent the traceback: no line of an exception's message can pass for one of the log."""
        return _below(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Indent the stack."""
        return _below(stack_info)


def _below(text: str) -> str:
    return "\n".join(f"  {printable(line)}" for line in _bounded(text).split("\n"))


def _bounded(text: str) -> str:
    """Return the end of a traceback. Its last line is the exception's own, which may be of any
    length, since exceptions quote what strangers wrote.
    """
    if len(text) <= MESSAGE_CHARS_MAX:
        return text
    head, _, last = text.rstrip("\n").rpartition("\n")
    last = shorten(last, MESSAGE_CHARS_MAX // 2)
    return f"…{head[len(last) - MESSAGE_CHARS_MAX :]}\n{last}"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: `time` in UTC (RFC 3339), `level`, `logger`, `message`,
    then the fields that are known.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return ASCII alone, so that nothing in it can end the line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shorten(record.getMessage(), MESSAGE_CHARS_MAX),
        }
        entry |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = _bounded("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(entry, default=str)
