"""What the papers print, and what is measured here beside it."""
