"""A model server for tests and benchmarks: both providers' HTTP on loopback, exact to the token.

In-process: `async with ModelServer(Behaviour(...)) as server`; as a process: `python -m
tests.modelserver`. It knows nothing of capscan but the shape of the answer it is asked for.
"""
