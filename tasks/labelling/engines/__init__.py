"""The programs that compute energies, one file each, behind one interface."""
