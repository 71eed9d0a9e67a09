"""Renders crds/*.yaml from the models: `python -m capscan.crdgen`, which `make render` runs.

A tool of the repository. The operator never imports it, and the cluster sees only what it wrote.
`schema` turns a model into a structural schema; `kinds` holds as data what no model can say.
"""
