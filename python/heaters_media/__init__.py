"""Heaters' media analysis: what Node calls over newline-delimited JSON, at arm's length."""
