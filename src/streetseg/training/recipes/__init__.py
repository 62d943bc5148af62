"""Recipes: one file a network family."""
