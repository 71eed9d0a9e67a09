"""Whether one InferenceProvider can be asked, and what its status says. Serves inference alone."""
