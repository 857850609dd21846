"""Judging metrics against people: scored data sets, agreement, tables and reports."""
