"""V_phys: electrostatics with induced dipoles, dispersion, and repulsion of a whole system, on its real atoms."""
