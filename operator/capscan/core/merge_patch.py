"""The difference between two versions of an object, as the API server takes it."""

from collections.abc import Mapping
from typing import Any


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that turns `current` into `wanted`; empty when they
    are equal.

    A key that is absent from a merge patch stays as it is, so a key that is to go is sent as null.
    """
    patch: dict[str, Any] = dict.fromkeys(current.keys() - wanted.keys())
    for key, value in wanted.items():
        old = current.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif key not in current or old != value:
            patch[key] = value
    return patch
