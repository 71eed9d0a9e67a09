"""What requests cost, and what a run may spend."""
