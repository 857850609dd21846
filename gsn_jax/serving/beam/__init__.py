"""Scoring on many machines: an Apache Beam pipeline over a table of pairs.

See docs/many_machines.md. It needs the extra `beam`; only the command line imports it.
"""
