"""Who answers: rules without a network (`offline`), or a model (`accounts` over `api`)."""
