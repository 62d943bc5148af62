"""Speed on this machine: frames, networks beside eager PyTorch, training steps."""
