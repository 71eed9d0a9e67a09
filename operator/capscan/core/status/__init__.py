"""What a CapabilityScan says of itself: its state, its sentences, its whole status."""
