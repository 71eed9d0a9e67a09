"""Who stands in for whom: the chain of fallbacks of a provider."""

from collections.abc import Mapping

from capscan.core.errors import ProviderUnusable


def chain(name: str, fallbacks: Mapping[str, str]) -> list[str]:
    """Return `name`, its fallback, the fallback of that, and so on, as far as they exist.

    `fallbacks` has every provider there is, with the name of its fallback or "". Raises
    ProviderUnusable where the chain comes back to itself.
    """
    names: list[str] = []
    while name in fallbacks:
        if name in names:
            loop = " -> ".join([*names[names.index(name) :], name])
            raise ProviderUnusable(
                "FallbackLoop",
                f"The fallbacks go in a circle: {loop}. Take spec.fallbackRef out of one of them.",
            )
        names.append(name)
        name = fallbacks[name]
    return names
