"""Potentials: the definition of an n-mer, its PIP and switching, the sum over n-mers, and calculators."""
