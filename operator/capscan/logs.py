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

FIELDS = (
    "scan", "run", "crd", "provider", "reason", "trigger", "phase", "attempts", "configuration"
)  # fmt: skip
"""What a line is about. `reason` is as in conditions and failed items."""

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
    """Formats a record as one line, and a traceback below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Make one line of the message: what other programs said may have line ends in it."""
        record.message = re.sub(r"\s*[\r\n]\s*", " ", record.message)
        return super().formatMessage(record)


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
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(entry, default=str)
