"""Metadynamics: collective variables, hills, and the PLUMED files that describe them."""
