"""Labelling: counterpoise-corrected energies, one process per label."""
