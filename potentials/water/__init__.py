"""Models of water that are complete in themselves: the energy of all waters of a system."""
