"""Weights by name: list, find and download them."""
