"""Datasets: pairs of frames and label maps."""
