"""Metrics outside of this process: a local page, Beam pipelines, exported programs."""
