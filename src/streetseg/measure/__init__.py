"""Measuring accuracy and speed."""
