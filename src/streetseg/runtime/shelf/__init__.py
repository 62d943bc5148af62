"""Weights by name: which there are, where they lie, how they are fetched."""
