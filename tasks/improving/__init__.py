"""Learning from one's own simulations: turns of simulating, labelling, and fitting again."""
