"""The papers' figures, and ours beside them."""
