"""Which servers say of themselves that they answer few requests at a time.

llama.cpp and programs around it run one model on this machine, in a few slots. They tell it in the
header `Server` or in the owner of their models. A gateway before many machines does not.
"""

from collections.abc import Mapping

from capscan.inference.api.http import HttpReply

_OWNERS = frozenset({"llamacpp", "library", "organization_owner", "me"})
"""The owner that models have: of llama.cpp, Ollama, LM Studio and llama-cpp-python."""


def has_few_slots(look: HttpReply | None) -> bool:
    """Return whether what a free look found is such a server. `look` is the card of a model, or the
    list of models; None where neither may be looked at.
    """
    if look is None:
        return False
    if look.headers.get("server", "").lower().startswith("llama.cpp"):
        return True
    value = look.json()
    listed = value.get("data") if isinstance(value, Mapping) else None
    cards = listed if isinstance(listed, list) else [value]
    owners = [card.get("owned_by") for card in cards if isinstance(card, Mapping)]
    return any(isinstance(owner, str) and owner in _OWNERS for owner in owners)
