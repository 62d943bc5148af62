"""The layouts that a dataset can be converted to: one file each, and their table."""
