"""Accuracy on labelled frames."""
