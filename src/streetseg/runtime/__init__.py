"""From a frame to its class map, without PyTorch."""
