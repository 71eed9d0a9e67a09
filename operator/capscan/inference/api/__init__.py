"""One request to a model over HTTP, and what its reply stands for. Nothing is tried again here."""
