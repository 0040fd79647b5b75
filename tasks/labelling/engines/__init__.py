"""The programs that compute energies, one file each, with one interface."""
