"""Completion: what one request to a provider brought back."""

from dataclasses import dataclass

from capscan.model.capability import Analysis


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a provider, already checked for shape and bounds."""

    analysis: Analysis
