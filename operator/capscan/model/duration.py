"""Durations as Kubernetes writes them: `90s`, `2m30s`, `1h`, `500ms`.

The grammar is the one of Go's time.ParseDuration without signs and without the units below a
millisecond.
"""

import re
from datetime import timedelta

PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"

_WHOLE = re.compile(PATTERN)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(?<![0-9.])([0-9]++(?:\.[0-9]++)?)(ms|s|m|h)")


def parse_duration(text: str) -> timedelta:
    """Read `2m30s`. Raises ValueError for anything that `PATTERN` does not match, and for more than
    a timedelta holds.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"not a duration: {text!r}; write it like 500ms, 90s, 2m30s or 1h")
    try:
        return timedelta(seconds=sum(float(n) * _UNITS_S[unit] for n, unit in _PART.findall(text)))
    except OverflowError:
        raise ValueError(f"not a duration anyone lives to see: {text!r}") from None


def format_latency(seconds: float) -> str:
    """Write `850ms`, `1.5s` or `2m30s`: as exact as a reader of latencies needs."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    return f"{seconds:.1f}s" if seconds < 60 else format_duration(timedelta(seconds=seconds))


def format_duration(duration: timedelta) -> str:
    """Write `2m30s`: in whole seconds from one second on, in milliseconds below."""
    total_s = duration.total_seconds()
    if 0 < total_s < 1:
        return f"{round(total_s * 1000)}ms"
    minutes, seconds = divmod(round(total_s), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"
