"""Sums: the potential of a molecule or a system made of the potentials of its n-mers."""
