"""capscan against servers that others wrote, through the real operator: `make test-servers`.

What was seen there stands in docs/providers.md. Faults on purpose are tests/modelserver's part.
"""
