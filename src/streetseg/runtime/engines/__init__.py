"""Engines: each runs an artefact, frame to logits, behind one small contract."""
