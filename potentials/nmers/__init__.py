"""What an n-mer is: its fragments and caps, its symmetry, and how its interaction is switched off."""
