"""`capscan demo`: the main job from beginning to end, showing every command that it runs.

`show.py` is the course of it, `watch.py` the scan at work, `summary.py` what was found. All that it
knows comes from kubectl. Nothing here is special to the demo: each step is what one types.
"""
