"""Tells a model that needs more room from one that runs on and on: in blanks, or in one phrase.

A grammar lets a small model do that until its room is used up, however much that is.
"""

_TAIL_CHARS = 600
_PERIOD_CHARS_MAX = 150
_BLANK_SHARE = 0.6


def rambles(text: str) -> bool:
    """Return whether the end of a text that was cut off is blank, or repeats itself."""
    tail = text[-_TAIL_CHARS:]
    if len(tail) < _TAIL_CHARS:
        return False
    blanks = sum(char.isspace() for char in tail)
    if blanks > _BLANK_SHARE * len(tail):
        return True
    return any(tail[period:] == tail[:-period] for period in range(1, _PERIOD_CHARS_MAX + 1))
