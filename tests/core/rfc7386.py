"""What the API server makes of a merge patch, by the standard."""

from typing import Any


def applied(target: Any, patch: Any) -> Any:
    """MergePatch of RFC 7386, section 2, to the letter."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result
