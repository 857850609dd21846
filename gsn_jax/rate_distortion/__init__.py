"""Compares codecs: bytes against the scores of metrics, Bjøntegaard deltas with intervals."""
