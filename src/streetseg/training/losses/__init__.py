"""Losses: each returns its named terms."""
