"""Parameters of V_phys: charges, polarizabilities, dispersion and repulsion of each type of atom, derived."""
