"""Engines, each of which runs an artefact: frame to logits, behind one small contract."""
