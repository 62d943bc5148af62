"""Videos and cameras: read, segment, write."""
