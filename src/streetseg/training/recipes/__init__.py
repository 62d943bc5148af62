"""Recipes: camvid.py and streets.py hold the shipped weights' stages, the other files one paper's experiments each."""
