"""Molecules, and their division into 1-mers and n-mers."""
