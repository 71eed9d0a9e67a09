"""A question about a digest, and the way from a model's text to a Capability."""
