"""`capscan demo`: the main job from beginning to end, with every command that it runs on show.

`show.py` is the course of it, `watch.py` the scan at work, `summary.py` what was found. All that it
knows comes from kubectl; nothing here is special to the demo: each step is what one types.
"""
