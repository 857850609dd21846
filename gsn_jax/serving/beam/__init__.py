"""Scoring on many machines: an Apache Beam pipeline over a table of pairs.

See docs/many_machines.md. Nothing else of the package imports this; it needs the extra `[beam]`.
"""
