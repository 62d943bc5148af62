"""Export to artefacts that run."""
