"""What an error of a provider cost."""

from capscan.core.errors import InferenceError
from capscan.model import Usage


def spent(error: InferenceError) -> Usage:
    """Where it says so, which it has to."""
    assert error.usage is not None
    return error.usage
