"""What comes out: the n-mer's definition, its PIP, switching, and calculators."""
