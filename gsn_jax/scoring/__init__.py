"""Scoring pairs, tables and folders of images with any metric."""
