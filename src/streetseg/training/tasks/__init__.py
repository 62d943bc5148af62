"""The tasks of a run: segmentation and classification."""
