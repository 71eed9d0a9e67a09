"""What can go wrong with one request, and which request it happens to.

A Fault is a value; `Faults` counts how often each has been due.
"""

from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from tests.modelserver.answers import WRONG

Kind = Literal[
    # Refused at once, charged nothing.
    "status",
    "redirect",
    "too_long",
    "no_quota",
    # Answered like any other, but with another content.
    "wrong",
    "refusal",
    "content_filter",
    "max_tokens",
    # Admitted and charged like any other, but never arrives as it should.
    "hang",
    "slow_body",
    "cut_before_headers",
    "cut_in_body",
    "close_after",
    "stale",
    "html",
    "huge",
    "not_json",
]


def _known(name: str) -> str:
    if name and name not in WRONG:
        raise ValueError(f"no such wrong answer: {name}; there are {', '.join(WRONG)}")
    return name


class Fault(BaseModel):
    """`kind` happens to requests about CRDs that match `names`: not to the first `after` of them,
    and to `times` of them at most; counted for each CRD by itself with `per_name`.

    close_after: the connection closes after an answer that did not announce it.
    stale: it closes when the next request arrives on it, which gets no answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    names: str = "*"
    after: int = 0
    times: int | None = None
    per_name: bool = False
    on: Literal["completion", "models"] = "completion"
    status: int = 500
    text: str = ""
    """What a status is answered with, as it is: JSON of another shape, or a page that begins with
    `<`. Empty: as the protocol words it."""
    retry_after: str = ""
    """The header's value, with any status; `date+30` is the HTTP date 30 s from now."""
    wrong: Annotated[str, AfterValidator(_known)] = ""
    location: str = "/elsewhere"
    interval_s: float = 1.0
    """Of the bytes of a slow body."""
    size_bytes: int = 100_000_000
    """Of a huge answer."""


class Faults:
    """The faults in force, with how many requests each has met."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self._met: Counter[tuple[int, str]] = Counter()

    def due(self, name: str, on: str = "completion", *, count: bool = True) -> Fault | None:
        """What happens to this request: the first fault that fits. Those behind it do not meet it.

        Without `count` it is as if nobody had asked.
        """
        for index, fault in enumerate(self._faults):
            if fault.on != on or not fnmatchcase(name, fault.names):
                continue
            turn = (index, name if fault.per_name else "")
            met = self._met[turn]
            if fault.times is not None and met >= fault.after + fault.times:
                continue
            self._met[turn] += count
            if met >= fault.after:
                return fault
        return None
