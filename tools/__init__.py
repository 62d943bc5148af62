"""Scripts that people run by hand: measurements that take long, and files that are made from others."""
