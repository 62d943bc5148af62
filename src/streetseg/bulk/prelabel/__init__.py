"""Predictions as annotations to be corrected: one file for each label tool."""
