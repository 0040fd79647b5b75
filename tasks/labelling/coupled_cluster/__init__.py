"""Density-fitted CCSD(T) in single precision."""
