"""What is due, one run of it, and its items, many at a time.

`controllers.py` has one controller for each CapabilityScan; a controller works in sessions
(`session.py`), a session lets the engine settle items (`item.py`).
"""
