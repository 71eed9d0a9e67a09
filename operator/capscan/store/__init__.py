"""Where answers are kept: Capability objects. They are also the checkpoint of every run."""
