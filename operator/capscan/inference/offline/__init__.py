"""Analyses a digest by rules and tables, without a network."""
