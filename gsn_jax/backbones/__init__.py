"""Siamese backbones: images to features of several levels, from fine to coarse."""
