"""What the n-mers add up to: their occurrences in a molecule, and the sum over them."""
