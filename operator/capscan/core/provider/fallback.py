"""Who stands in for whom: the chain of fallbacks of a provider."""

from collections.abc import Mapping

from capscan.core.errors import ProviderUnusable


def chain(name: str, fallbacks: Mapping[str, str]) -> list[str]:
    """Return `name`, its fallback, the fallback of that, and so on, as far as they exist.

    `fallbacks` has every provider there is, with the name of its fallback or "". Raises
    ProviderUnusable where the chain comes back to itself.
    """
    names: dict[str, None] = {}
    while name in fallbacks:
        if name in names:
            passed = list(names)
            loop = " -> ".join([*passed[passed.index(name) :], name])
            raise ProviderUnusable(
                "FallbackLoop",
                f"The fallbacks go in a circle: {loop}. Take spec.fallbackRef out of one of them.",
            )
        names[name] = None
        name = fallbacks[name]
    return list(names)


def ends(fallbacks: Mapping[str, str]) -> dict[str, str | None]:
    """Return where the chain of each provider ends: the name that is missing, "" where none is, or
    None where the chain comes back to itself.

    Each provider is looked at once, however many there are and however long their chains.
    """
    found: dict[str, str | None] = {}
    for first in fallbacks:
        path: dict[str, None] = {}
        name = first
        while name in fallbacks and name not in found and name not in path:
            path[name] = None
            name = fallbacks[name]
        end = None if name in path else found.get(name, name)
        found.update(dict.fromkeys(path, end))
    return found
