"""How fast one account may be asked: permits, rates, tokens, the circuit. Serves inference alone.

`admission.py` holds the state and says when a request may go; `feedback.py` says what a reply
changes of it.
"""
