"""Whole systems: the occurrences of n-mers in a molecule, and the sum over them."""
