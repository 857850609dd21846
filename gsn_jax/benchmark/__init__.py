"""Judging metrics against people: scored data sets, agreement, tables, and the page of it all."""
