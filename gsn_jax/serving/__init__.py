"""Serving metrics: a local page, Beam pipelines, exported programs."""
