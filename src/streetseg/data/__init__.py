"""Datasets: pairs of frames and label maps, their checks and figures."""
