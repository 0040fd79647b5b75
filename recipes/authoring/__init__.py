"""Writing recipes: those of the papers, and those for a user's molecules."""
