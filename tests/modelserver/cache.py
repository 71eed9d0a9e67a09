"""The prompt cache: which prefixes were seen a short while ago."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class PromptCache:
    """A prefix can be read once the first answer that had it is out, and until `ttl_s` after its
    last use.
    """

    ttl_s: float
    _until: dict[tuple[str, ...], float] = field(default_factory=dict)

    def holds(self, prefix: tuple[str, ...], now: float) -> bool:
        return now < self._until.get(prefix, now)

    def keep(self, prefix: tuple[str, ...], now: float) -> None:
        self._until[prefix] = now + self.ttl_s
