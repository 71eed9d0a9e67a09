"""What an error of a provider cost."""

from capscan.core.errors import InferenceError
from capscan.model import Usage


def spent(error: InferenceError) -> Usage:
    """Return what an error says that it cost; it has to say so."""
    assert error.usage is not None
    return error.usage
