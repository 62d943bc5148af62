"""The report of an evaluation: JSON, CSV, pictures and one page."""
