"""Sampling: parallel-bias metadynamics with partitioned families in LAMMPS."""
