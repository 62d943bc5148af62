"""Rendered streets with exact labels: the renderer and the datasets that it writes."""
