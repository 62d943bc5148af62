"""Speed on this machine: artefacts, networks beside eager PyTorch, training steps."""
