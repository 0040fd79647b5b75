"""Molecules and their cutting into 1-mers and n-mers."""
