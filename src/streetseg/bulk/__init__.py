"""Segment any number of images and films: on one machine, or on a cluster with Ray."""
