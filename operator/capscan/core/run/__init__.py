"""What a scan should do now, what a run has to do, and how its events add up."""
