"""What a run trains for: segmentation or classification."""
