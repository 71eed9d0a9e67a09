"""One account at a model provider, shared by all scans that name it.

`registry.py` finds accounts by name, and `route.py` leads a question to one. `keeper.py` knows
whether it can be asked, and `gate.py` lets requests through as fast as the account allows.
"""
