"""Properties are searched without a deadline: the machine may be busy with other things."""

from hypothesis import settings

settings.register_profile("capscan", deadline=None, derandomize=True)
settings.load_profile("capscan")
