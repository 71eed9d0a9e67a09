"""What the operator serves over HTTP: one server, several doors."""
