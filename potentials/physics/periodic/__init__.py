"""V_phys in a periodic cell: Ewald's sum of charges and induced dipoles, dispersion and repulsion with a tail."""
