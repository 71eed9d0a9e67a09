"""`make demo-gate`: the adaptive gate at work, against a model server with limits of its own.

`show.py` is the course of it, `setting.py` holds the numbers, `server.py` the fake model server as
a process, `books.py` what that server counted, `watch.py` and `panels.py` show the scan at work,
`verdict.py` makes the table at the end. Stage, screen and kubectl are those of `capscan demo`. It
stands outside the package because it needs the tests' fake.
"""
