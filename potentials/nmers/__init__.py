"""The definition of an n-mer: its fragments and caps, its symmetry, and its switching."""
