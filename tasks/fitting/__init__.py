"""Fitting: weighted ridge regression of a PIP with non-linear parameters."""
