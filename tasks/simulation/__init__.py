"""Simulation with potentials: the sum in programs that move atoms."""
