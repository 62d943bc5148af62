"""What other code bases call our tensors: one file a network family."""
