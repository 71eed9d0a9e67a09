"""Renders crds/*.yaml from the models: `python -m capscan.crdgen`, which `make render` runs.

It is a tool of the repository: the operator never imports it. `schema` turns a model into a
structural schema, `kinds` holds as data what no model can say, and `render` makes the YAML of both.
"""
